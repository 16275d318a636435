/* What the page adds where scripts run; nothing here is needed to read it. */
(function () {
  "use strict";

  /* A link to something inside a closed toggle opens it. Browsers do this
     for most targets; older ones do not. Other boxes are told. */
  function reveal() {
    var id = decodeURIComponent(location.hash.slice(1));
    var target = id && document.getElementById(id);
    var inside = target && target.closest("details");
    while (inside) {
      inside.open = true;
      inside = inside.parentElement.closest("details");
    }
    if (!target) return;
    target.dispatchEvent(new CustomEvent("reveal", { bubbles: true }));
    target.scrollIntoView();
  }
  window.addEventListener("hashchange", reveal);
  window.addEventListener("load", reveal);
  document.addEventListener("click", function (event) {
    var link = event.target.closest("a[href^='#']");
    var again = link && link.getAttribute("href") === location.hash;
    if (again) reveal();
  });

  /* Found pages are quoted under a result: leave drawings out, and formulas
     that are there for screen readers. Files cannot be read by a script. */
  var UNREADABLE = /<(svg|math)[\s\S]*?<\/\1>/g;
  document.addEventListener("DOMContentLoaded", function () {
    if (typeof Search === "undefined") return;
    var text = Search.htmlToText;
    Search.htmlToText = function (page, anchor) {
      return text.call(Search, page.replace(UNREADABLE, " "), anchor);
    };
    if (location.protocol === "file:") {
      DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
    }
  });

  /* Paper cannot be clicked: open what is closed while printing. */
  var opened = [];
  window.addEventListener("beforeprint", function () {
    opened = Array.from(document.querySelectorAll("details:not([open])"));
    opened.forEach(function (toggle) { toggle.open = true; });
  });
  window.addEventListener("afterprint", function () {
    opened.forEach(function (toggle) { toggle.open = false; });
  });
})();
