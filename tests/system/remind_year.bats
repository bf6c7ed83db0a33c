# A year of days with the whole program: who watches the messages that come sees each threshold once,
# on its day, and an overview every Monday.
#
# covers: core/monitor/reminders.h core/monitor/thresholds.h core/monitor/remind.h

load reminding

# London's rules: summer time from 28 March to 31 October 2027. It runs each day at half past midnight
# local time, in summer at 23:30 UTC of the day before: who counted days, or weekdays, by the wrong
# clock would be one off.
ZONE="GMT0BST,M3.5.0/1,M10.5.0"

at() { # MOMENT, local: ecert remind
    local now
    now=$(TZ=$ZONE date -d "$1" +%s)
    ECERT_ZONE=$ZONE ECERT_LATER=$((now - $(date +%s))) LD_PRELOAD=$W/clock_at.so \
        "$ECERT_BUILD/ecert" --config "$W/ecert.conf" --quiet remind
}

# lives NAME DAY DAYS: a certificate for it, put in place on that day, valid from midnight (UTC) of the
# day before on for so many days
lives() {
    test_ca issue "$W/ca" "$1.myserver.com" --ec --out "$W/$1-$2" \
        --not-before "$(date -u -d "$2 -1 day" +%Y%m%d000000Z)" \
        --not-after "$(date -u -d "$2 $(($3 - 1)) days" +%Y%m%d000000Z)"
}

subscribed() { # UNTIL
    # shellcheck disable=SC2059 # the format is ours
    cat >"$W/ecert.conf" <<CONF
state_dir = "$W/state";
authorities_dir = "$W/ca/authorities";
certificates = ( { name = "paid"; authority = "testpost"; subscription_ends = "$1";
    targets = ( { plugin = "iis-export"; directory = "$W/iis"; } ); } );
watch = ( { name = "long"; file = "$W/long.cer"; }, { name = "short"; file = "$W/short.cer"; } );
reminders: { journal = false; digest = "monday"; $(printf "$PAGE" "$W") };
CONF
}

# Each certificate of 199 and of 46 days, by the day on which it replaces the one before it.
SHORT_LIVES="2027-01-02 2027-02-25 2027-04-07 2027-05-17 2027-06-26 2027-08-05 2027-09-14 2027-10-24
    2027-12-03"

prepare_year() {
    local from
    lives long 2026-12-20 199
    lives long 2027-06-27 199
    for from in $SHORT_LIVES; do
        lives short "$from" 46
    done
    cp "$W/long-2026-12-20.cer" "$W/long.cer"
    cp "$W/short-2027-01-02.cer" "$W/short.cer"
    subscribed 2027-10-01
    preload clock_at
}

# Every message: when, and what it says of what ends. That nothing was issued for "paid" yet, and that
# no list of revoked certificates is to be had, are problems that last: another test's.
told() {
    python3 -I -S -c '
import json, sys
lines = []
for name in sys.argv[1:]:
    o = json.load(open(name))
    if o["kind"] == "digest":
        lines.append(o["time"][:16] + " digest")
        continue
    for f in o["findings"]:
        if f["watched"] in ("file", "subscription"):
            assert f["condition"] in ("expires", "expired"), f
            lines.append("%s %s %d %d" % (o["time"][:16], f["name"], f["days"], f["threshold"]))
        else:
            assert f["condition"] in ("not-issued", "revocation-unknown"), f
print("\n".join(sorted(lines)))' "$W"/paged-*
}

# The year's messages but for the overviews: when (UTC), of what, days left, threshold.
expected() {
    cat <<'TABLE'
2027-01-16T00:30 short 30 30
2027-01-31T00:30 short 15 15
2027-02-08T00:30 short 7 7
2027-02-12T00:30 short 3 3
2027-02-14T00:30 short 1 1
2027-02-15T00:30 short 0 0
2027-02-22T00:30 short -7 -7
2027-03-11T00:30 short 30 30
2027-03-26T00:30 short 15 15
2027-04-03T23:30 short 7 7
2027-04-21T23:30 short 30 30
2027-05-06T23:30 short 15 15
2027-05-14T23:30 short 7 7
2027-05-31T23:30 short 30 30
2027-06-12T23:30 long 23 30
2027-06-15T23:30 short 15 15
2027-06-21T23:30 long 14 14
2027-06-23T23:30 short 7 7
2027-07-10T23:30 short 30 30
2027-07-25T23:30 short 15 15
2027-08-02T23:30 paid 60 60
2027-08-02T23:30 short 7 7
2027-08-17T23:30 paid 45 45
2027-08-19T23:30 short 30 30
2027-09-01T23:30 paid 30 30
2027-09-03T23:30 short 15 15
2027-09-12T23:30 short 6 7
2027-09-17T23:30 paid 14 14
2027-09-24T23:30 paid 7 7
2027-09-28T23:30 paid 3 3
2027-09-28T23:30 short 30 30
2027-10-13T23:30 short 15 15
2027-10-21T23:30 short 7 7
2027-11-07T00:30 short 30 30
2027-11-22T00:30 short 15 15
2027-11-30T00:30 short 7 7
2027-12-11T00:30 long 30 30
2027-12-17T00:30 short 30 30
2027-12-27T00:30 long 14 14
2028-01-01T00:30 short 15 15
2028-01-03T00:30 long 7 7
TABLE
}

# An overview at the first look, on each Monday, and after the week in which nobody looked.
overviews() {
    local day=2027-01-04
    echo 2027-01-03
    while [[ $day < 2028-01-04 ]]; do
        if [ "$day" = 2027-06-07 ]; then echo 2027-06-13; else echo "$day"; fi
        day=$(date -u -d "$day 7 days" +%F)
    done
}

@test "366 days: each message on its day, once; sleep, summer time and a clock that jumps change nothing" {
    prepare_year
    local day=2027-01-03 begin=$SECONDS i
    for i in $(seq 366); do
        [ ! -e "$W/long-$day.cer" ] || cp "$W/long-$day.cer" "$W/long.cer"
        [ ! -e "$W/short-$day.cer" ] || cp "$W/short-$day.cer" "$W/short.cer"
        case $day in
        2027-09-30) subscribed 2028-03-31 ;; # paid
        esac
        case $day in
        2027-06-05 | 2027-06-06 | 2027-06-07 | 2027-06-08 | 2027-06-09 | 2027-06-1[0-2]) ;; # it sleeps
        2027-03-11) # a day back, and forth
            at "$day 00:30"
            at "2027-03-10 00:10"
            at "$day 00:40"
            ;;
        2027-09-12) # a Sunday, taken for the Monday after it, and put right
            at "2027-09-13 00:30"
            at "$day 00:40"
            ;;
        2027-10-31) # one to two o'clock comes twice
            at "$day 00:30"
            at "$day 01:30 BST"
            at "$day 01:30 GMT"
            ;;
        *) at "$day 00:30" ;;
        esac
        day=$(date -u -d "$day 1 day" +%F)
    done
    echo "$((SECONDS - begin)) s"
    told >"$W/told"
    diff <(expected) <(grep -v digest "$W/told")
    # by the day on the wall
    diff <(overviews) <(sed -n 's/ digest//p' "$W/told" |
        while read -r when; do TZ=$ZONE date -d "${when}Z" +%F; done)
    is "owed" 0 "$(owed)"
}
