#!/usr/bin/env bash
# The catalogues, made from the code: po/ecert.pot by xgettext, each po/LANGUAGE.po by msgmerge.
#
#   po/update.sh          after a text was added or changed; then translate what is empty or fuzzy
#   po/update.sh --check  fails when ecert.pot is not what the code says, when a catalogue lacks a
#                         translation or has a fuzzy one, when the arguments of a format string or
#                         the {name} of a text differ
#
# Wants Debian's package gettext.  The dates that the tools write are left out: a file changes when a
# text does.
set -euo pipefail
cd "$(dirname "$0")/.."

extract() { # FILE: the template
    find core -name '*.c' | LC_ALL=C sort |
        xgettext --files-from=- --language=C --from-code=UTF-8 --add-comments=Translators: \
            --keyword= --keyword=ecert_words:1 --keyword=ecert_words_n:1,2 \
            --keyword=ECERT_WORDS:1 --keyword=_:1 \
            --flag=ecert_words:1:pass-c-format --flag=ecert_words_n:1:pass-c-format \
            --flag=ecert_words_n:2:pass-c-format \
            --flag=ecert_buffer_printf:2:c-format --flag=ecert_text_format:3:c-format \
            --add-location=file --width=98 \
            --package-name=ecert-deploy --copyright-holder='the authors of ecert-deploy' \
            --output=- |
        sed -e '/^"POT-Creation-Date:/d' -e '/^"PO-Revision-Date:/d' \
            -e 's/charset=CHARSET/charset=UTF-8/' >"$1"
}

names_differ() { # CATALOGUE: how many {name} each text and its translation have must be the same
    msgcat --no-wrap --no-location "$1" | awk '
        /^msgid "/  { id = gsub(/\{name\}/, "") }
        /^msgstr "/ { if (gsub(/\{name\}/, "") != id) { print FILENAME $0; bad = 1 } }
        END { exit !bad }'
}

check() {
    local made catalogue bad=0
    made=$(mktemp -d)
    extract "$made/ecert.pot"
    if ! diff -u po/ecert.pot "$made/ecert.pot"; then
        echo "po/ecert.pot is not what the code says: run po/update.sh" >&2
        bad=1
    fi
    for catalogue in po/*.po; do
        if ! msgcmp "$catalogue" "$made/ecert.pot" ||
            ! msgfmt --check --output-file="$made/ecert.mo" "$catalogue"; then
            bad=1
        fi
        if names_differ "$catalogue"; then
            echo "$catalogue: a {name} is missing or too many" >&2
            bad=1
        fi
    done
    rm -f "$made/ecert.pot" "$made/ecert.mo"
    rmdir "$made"
    return "$bad"
}

case "${1:-}" in
--check) check ;;
'')
    extract po/ecert.pot
    for catalogue in po/*.po; do
        msgmerge --quiet --update --backup=none --width=98 --add-location=file --no-fuzzy-matching \
            "$catalogue" po/ecert.pot
        # what the code no longer says is in the history, and need not stay
        msgattrib --no-obsolete --width=98 --add-location=file --output-file="$catalogue" \
            "$catalogue"
        msgfmt --check --statistics --output-file=/dev/null "$catalogue"
    done
    ;;
*)
    echo "usage: po/update.sh [--check]" >&2
    exit 2
    ;;
esac
