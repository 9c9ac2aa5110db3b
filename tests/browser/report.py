"""Looks at a report of `evaluate report` in a real browser.

    python3 tests/browser/report.py DIR/report.html [--screenshots FOLDER] [--picture FILE]

Wide and narrow, light and dark: nothing is logged, nothing is loaded from elsewhere, every image is
drawn, every link leads somewhere, nothing but its scrolling containers is wider than the window, every
text has enough contrast, and headings, captions and labels are in order. Also prints it. Needs Debian's
package chromium. Exit status 1 names what is wrong.
"""

import argparse
import itertools
import sys
from pathlib import Path

from devtools import Browser, BrowserError

SIZES = [(1280, 900), (390, 844)]
SCHEMES = ["light", "dark"]
#: Window of the README's picture.
PICTURE = (1100, 1330)
#: WCAG 2.1, level AA, for text of ordinary size.
CONTRAST = 4.5

IMAGES = """Promise.all([...document.images].map(image => image.decode().catch(() => 0))).then(() =>
  [...document.images].filter(image => image.naturalWidth === 0 || !image.alt.trim())
    .map(image => image.alt || image.src.slice(0, 60)))"""
LINKS = """[...document.querySelectorAll('a')].map(link => link.getAttribute('href'))
  .filter(href => !href || !href.startsWith('#') || !document.getElementById(href.slice(1)))"""
IDS = """[...document.querySelectorAll('[id]')].map(one => one.id)
  .filter((id, place, all) => all.indexOf(id) !== place)"""
HEADINGS = """[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(one => Number(one.tagName[1]))"""
TABLES = """[...document.querySelectorAll('table')].filter(table => !table.caption ||
  [...table.querySelectorAll('th')].some(head => !head.scope)).map(table => table.innerText.slice(0, 60))"""
OVERFLOW = "[document.documentElement.scrollWidth, window.innerWidth]"
CONTRASTS = """(() => {
  const context = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = colour => {
    context.clearRect(0, 0, 1, 1); context.fillStyle = colour; context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => {
    const part = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const background = element => {
    for (let one = element; one; one = one.parentElement) {
      const colour = rgba(getComputedStyle(one).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const poor = new Set();
  let lowest = 21;
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
    const [one, other] = [rgba(getComputedStyle(element).color), background(element)].map(luminance);
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    lowest = Math.min(lowest, ratio);
    if (ratio < LIMIT) poor.add(`${ratio.toFixed(2)}: ${texts.currentNode.data.trim().slice(0, 40)}`);
  }
  return {lowest, poor: [...poor]};
})()""".replace("LIMIT", str(CONTRAST))


def logged(events: list[dict]) -> list[str]:
    """What the page wrote to the console, and what the browser complained of."""
    found = []
    for event in events:
        details = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                found.append(str(details["exceptionDetails"].get("text")))
            case "Runtime.consoleAPICalled":
                found.append(f"console.{details['type']}")
            case "Log.entryAdded":
                found.append(details["entry"]["text"])
    return found


def loaded(events: list[dict], url: str) -> list[str]:
    """What was asked for beside the page and what lies in it."""
    asked = [
        event["params"]["request"]["url"] for event in events if event.get("method") == "Network.requestWillBeSent"
    ]
    return [address[:80] for address in asked if address != url and not address.startswith("data:")]


def skipped(levels: list[int]) -> list[str]:
    """Headings that leave out a level, or a second title."""
    problems = [
        f"h{before} is followed by h{after}" for before, after in itertools.pairwise(levels) if after > before + 1
    ]
    if levels.count(1) != 1 or levels[:1] != [1]:
        problems.append(f"{levels.count(1)} h1, the first heading is h{levels[0] if levels else '-'}")
    return problems


def problems(browser: Browser, url: str) -> tuple[list[str], str]:
    """What is wrong with the page that is open, and its measures."""
    browser.value("document.querySelectorAll('details').forEach(one => one.open = true)")
    images = browser.value("document.images.length")
    broken, lost = browser.value(IMAGES), browser.value(LINKS)
    contrast = browser.value(CONTRASTS)
    width, window = browser.value(OVERFLOW)
    checks = {
        "logged": logged(browser.events),
        "loaded from elsewhere": loaded(browser.events, url),
        "image not drawn or without alt": broken,
        "link without target": lost,
        "id twice": browser.value(IDS),
        "heading": skipped(browser.value(HEADINGS)),
        "table without caption or scope": browser.value(TABLES),
        "poor contrast": contrast["poor"],
        "wider than the window": [f"{width} > {window}"] if width > window else [],
        "no image": [] if images else ["the report shows none"],
        "lang": [] if browser.value("document.documentElement.lang") else ["missing"],
    }
    found = [f"{name}: {one}" for name, all_ in checks.items() for one in all_]
    links = browser.value("document.links.length")
    return found, f"{images} images, {links} links, lowest contrast {contrast['lowest']:.2f}"


def main() -> int:
    """Checks a report; 0 where all is in order."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("--screenshots", type=Path, help="put a picture of each view, and the print, here")
    parser.add_argument("--picture", type=Path, help="put the head of the page, as in the README, here")
    arguments = parser.parse_args()
    if not arguments.report.is_file():
        parser.error(f"{arguments.report} is no file; `evaluate report DIR` writes DIR/report.html")
    url = arguments.report.resolve().as_uri()
    failed = 0
    with Browser() as browser:
        for width, height in SIZES:
            for scheme in SCHEMES:
                browser.open(url, width, height, scheme)
                found, measures = problems(browser, url)
                print(f"{width} px, {scheme}: {measures}, {len(found)} problems")
                for problem in found:
                    print(f"  {problem}")
                failed += len(found)
                if arguments.screenshots:
                    arguments.screenshots.mkdir(parents=True, exist_ok=True)
                    for name, whole in [("top", False), ("whole", True)]:
                        path = arguments.screenshots / f"{width}-{scheme}-{name}.png"
                        path.write_bytes(browser.screenshot(whole))
        browser.send("Emulation.setEmulatedMedia", media="", features=[])
        printed = browser.pdf()
        pages = printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") + printed.count(b"/Type /Page/")
        print(f"printed: {pages} pages, {len(printed)} bytes")
        if arguments.screenshots:
            (arguments.screenshots / "print.pdf").write_bytes(printed)
        if arguments.picture:
            browser.open(url, *PICTURE, "light")
            arguments.picture.write_bytes(browser.screenshot(whole=False))
    checks = len(SIZES) * len(SCHEMES)
    print(f"{checks} views, {failed} problems")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrowserError as error:
        sys.exit(f"error: {error}")
