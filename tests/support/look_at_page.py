#!/usr/bin/env python3
"""Open a page in a real headless Chromium and say, as JSON, what it does there.

Usage: look_at_page.py PAGE AXE.JS [SELECTOR [EXPRESSION]]

  console     errors and warnings of the console, uncaught exceptions
  requests    every address that was fetched, but for the page itself and data:
  violations  what axe-core finds against WCAG 2 A and AA and its best practices, in light and dark
  text        the page's text as a reader gets it
  visible     does the first element of SELECTOR stand in the first screenful of 1280 x 800?
  value       of EXPRESSION, JavaScript in the page; a promise is waited for
  sheets      of paper (A4) that it takes in print
  overflow    is the page wider than a screen of 390 pixels (a telephone)?
"""
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

import websocket


class Page:
    def __init__(self, address):
        self.socket = websocket.create_connection(address, timeout=60, suppress_origin=True)
        self.n, self.events = 0, []

    def call(self, method, **params):
        self.n += 1
        self.socket.send(json.dumps({"id": self.n, "method": method, "params": params}))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == self.n:
                if "error" in answer:
                    sys.exit(f"look_at_page: {method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def wait_until(self, expression):
        end = time.monotonic() + 60
        while not self.value_of(expression):
            if time.monotonic() > end:
                sys.exit(f"look_at_page: never: {expression}")
            time.sleep(0.02)

    def value_of(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True,
                           returnByValue=True, userGesture=True)
        if "exceptionDetails" in result:
            sys.exit(f"look_at_page: {result['exceptionDetails']}")
        return result["result"].get("value")


def start(folder):
    browser = subprocess.Popen(
        ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--remote-debugging-port=0", "--remote-allow-origins=*", "--window-size=1280,800",
         f"--user-data-dir={folder}", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    port_file = os.path.join(folder, "DevToolsActivePort")
    for _ in range(600):
        if os.path.exists(port_file) and os.path.getsize(port_file) > 0:
            break
        if browser.poll() is not None:
            sys.exit(f"look_at_page: chromium ended with code {browser.returncode}")
        time.sleep(0.05)
    with open(port_file) as f:
        return browser, int(f.readline())


def look(page, address, axe, selector, expression):
    for domain in ("Page", "Network", "Log", "Runtime"):
        page.call(f"{domain}.enable")
    page.call("Page.navigate", url=address)
    page.wait_until(f"location.href == {json.dumps(address)} && document.readyState == 'complete'")
    found = {"text": page.value_of("document.body.innerText"), "violations": []}
    if selector:
        found["visible"] = page.value_of(
            "(() => { const e = document.querySelector(" + json.dumps(selector) + ");"
            " if (!e) return false; const r = e.getBoundingClientRect();"
            " return r.width > 0 && r.height > 0 && r.top >= 0 && r.bottom <= 800; })()")
    if expression:
        found["value"] = page.value_of(expression)
    page.value_of(axe + "; true")
    for scheme in ("light", "dark"):
        page.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])
        found["violations"] += json.loads(page.value_of(
            "axe.run().then(r => JSON.stringify(r.violations.map(v =>"
            " v.id + ': ' + v.help + ': ' + v.nodes.map(n => n.html).slice(0, 3).join(' | '))))"))
    printed = page.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)["data"]
    found["sheets"] = len(re.findall(rb"/Type /Page\b", base64.b64decode(printed)))
    page.call("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1,
              mobile=True)
    found["overflow"] = page.value_of("document.documentElement.scrollWidth > 390")
    found["console"] = [event for event in page.events if is_complaint(event)]
    found["requests"] = [event["params"]["request"]["url"] for event in page.events
                         if event.get("method") == "Network.requestWillBeSent"
                         and event["params"]["request"]["url"] != address
                         and not event["params"]["request"]["url"].startswith("data:")]
    return found


def is_complaint(event):
    method, params = event.get("method"), event.get("params", {})
    if method == "Runtime.exceptionThrown":
        return True
    if method == "Runtime.consoleAPICalled":
        return params["type"] in ("error", "warning", "assert")
    return method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning")


def main():
    page_file, axe_file = sys.argv[1:3]
    selector, expression = (sys.argv[3:] + [None, None])[:2]
    folder = tempfile.mkdtemp()
    browser, port = start(folder)
    try:
        with open(axe_file, encoding="utf-8") as f:
            axe = f.read()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
            target = next(t for t in json.load(answer) if t["type"] == "page")
        found = look(Page(target["webSocketDebuggerUrl"]),
                     "file://" + os.path.realpath(page_file), axe, selector,
                     expression)
        print(json.dumps(found, ensure_ascii=False, indent=1))
    finally:
        browser.terminate()
        try:
            browser.wait(10)
        except subprocess.TimeoutExpired:
            browser.kill()
            browser.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
