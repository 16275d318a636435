/* What the page adds where scripts run; nothing here is needed to read it. */
(function () {
  "use strict";

  var MENU = "details.editions-menu[open]";

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

  /* A page that was found leads to the first block where all the words stand
     that were looked for, or else to the first of them. Sphinx marks them,
     from a timer that it has set by now; ours comes after. */
  function showFound() {
    var block = "p, li, pre, summary, td, figcaption, h1, h2, h3, h4";
    var marks = Array.from(document.querySelectorAll("article .highlighted"))
      .filter(function (mark) { return !mark.closest(".katex, svg"); });
    function words(found) {
      return new Set(found.map(function (mark) {
        return mark.textContent.toLowerCase();
      })).size;
    }
    var best = marks.find(function (mark) {
      var around = mark.closest(block);
      var near = around ? around.querySelectorAll(".highlighted") : [mark];
      return words(Array.from(near)) === words(marks);
    }) || marks[0];
    if (!best) return;
    for (var e = best.closest("details"); e; e = e.parentElement.closest("details")) {
      e.open = true;
    }
    best.scrollIntoView({ block: "center" });
  }
  if (!location.hash) setTimeout(showFound, 10);

  /* A long name breaks between its words, an option not behind its dashes.
     Where words are marked, names stay whole, or they would not be. */
  function breakNames() {
    document.querySelectorAll("code.literal .pre").forEach(function (word) {
      var name = word.textContent;
      if (name.startsWith("-")) word.style.whiteSpace = "nowrap";
      if (name.length < 20 || word.children.length) return;
      word.replaceChildren(...name.split(/(?<=[._])(?=\w)/).flatMap(
        function (part, i) { return i ? [document.createElement("wbr"), part] : [part]; }
      ));
    });
  }
  if (!document.querySelector(".highlight-link")) breakNames();

  /* What lies over the page goes when it has been used, or is left. */
  document.addEventListener("click", function (event) {
    var entry = event.target.closest("dialog a[href^='#']");
    if (entry) entry.closest("dialog").close();
    document.querySelectorAll(MENU).forEach(function (menu) {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });
  document.addEventListener("keydown", function (event) {
    var menu = event.key === "Escape" && document.querySelector(MENU);
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
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
