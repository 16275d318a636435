"""What must hold for a page at any time, whatever was done on it."""

import json

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

RULES = (
    *("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"),
    "best-practice",
)
IN_VIEW = """(element) => {
  const box = element.getBoundingClientRect();
  const header = document.querySelector(".bd-header-article");
  const top = header ? header.getBoundingClientRect().bottom : 0;
  return box.height > 0 && box.top >= Math.max(0, top) - 1 &&
    box.top < innerHeight;
}"""
"""Whether an element begins below the bar and above the page's end."""
STICKING_OUT = """() => {
  const limit = document.documentElement.clientWidth;
  const scrolls = (element) => {
    for (let e = element.parentElement; e; e = e.parentElement) {
      if (["auto", "scroll"].includes(getComputedStyle(e).overflowX) &&
          e !== document.documentElement && e !== document.body) return true;
    }
    return false;
  };
  const found = [];
  if (document.documentElement.scrollWidth > limit)
    found.push(`the page: ${document.documentElement.scrollWidth}`);
  for (const element of document.body.querySelectorAll("*")) {
    if (element.closest("svg *, .katex-mathml, .bd-sidebar")) continue;
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    const box = element.getBoundingClientRect();
    if (box.width < 2 || (box.right <= limit + 1 && box.left >= -1)) continue;
    if (!scrolls(element))
      found.push(`${element.tagName}.${element.getAttribute("class")}: ` +
        `${Math.round(box.left)} to ${Math.round(box.right)} of ${limit}`);
  }
  return found.slice(0, 5);
}"""
"""What is wider than the page and not in a box that scrolls; the sidebars
wait outside, so they do not count."""


def violations(page: Page) -> list[str]:
    """Return what axe finds: rule, place and message of each."""
    options = {"runOnly": {"type": "tag", "values": list(RULES)}}
    found = []
    for broken in Axe().run(page, options=options).response["violations"]:
        for node in broken["nodes"]:
            checks = node["any"] + node["all"] + node["none"]
            message = checks[0]["message"] if checks else broken["help"]
            target = json.dumps(node["target"])
            found.append(f"{broken['id']} at {target}: {message}")
    return found
