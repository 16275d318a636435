/* Figures of a thing that happens in steps: one is shown, buttons and keys
   turn to the others.

   <figure-steps> holds a title and the figures. The style sheet lays all in
   one cell once `data-step` is set, so that the tallest gives the height. */
(function () {
  "use strict";

  var TURNS = {
    ArrowLeft: function (at) { return at - 1; },
    ArrowRight: function (at) { return at + 1; },
    Home: function () { return 0; },
    End: function (at, last) { return last; },
  };

  /* Formulas stand in a page twice: leave out what only eyes can read. */
  function words(element) {
    var copy = element.cloneNode(true);
    copy.querySelectorAll(".katex-html, annotation").forEach(function (part) {
      part.remove();
    });
    return copy.textContent.trim();
  }

  function button(label, press) {
    var made = document.createElement("button");
    made.type = "button";
    made.textContent = label;
    made.addEventListener("click", press);
    return made;
  }

  customElements.define("figure-steps", class extends HTMLElement {
    connectedCallback() {
      if (this.figures) return;
      var steps = this;
      var title = this.querySelector(".steps-title");
      this.figures = Array.from(this.querySelectorAll(":scope > figure"));
      this.figures.forEach(function (figure) { figure.tabIndex = -1; });
      this.at = 0;
      this.back = button("Previous", function () { steps.show(steps.at - 1); });
      this.on = button("Next", function () { steps.show(steps.at + 1); });
      this.count = document.createElement("p");
      this.count.setAttribute("aria-live", "polite");
      var bar = document.createElement("div");
      bar.className = "steps-bar";
      bar.append(this.back, this.count, this.on);
      title.after(bar);
      this.setAttribute("role", "group");
      this.setAttribute("aria-label", words(title));
      this.addEventListener("keydown", this.turn);
      this.addEventListener("reveal", this.reveal);
      this.draw();
    }

    turn(event) {
      var to = TURNS[event.key];
      if (!to || event.altKey || event.ctrlKey || event.metaKey ||
          event.shiftKey) return;
      event.preventDefault();
      this.show(to(this.at, this.figures.length - 1));
    }

    /* Something in here is the target of a link (laidout.js). */
    reveal(event) {
      var at = this.figures.findIndex(function (figure) {
        return figure.contains(event.target);
      });
      if (at < 0) return;
      this.show(at);
      this.figures[at].focus({ preventScroll: true });
    }

    show(at) {
      if (at === this.at || !this.figures[at]) return;
      var left = this.figures[this.at].contains(document.activeElement);
      this.at = at;
      this.draw();
      if (left) this.figures[at].focus({ preventScroll: true });
      var spoken = document.createElement("span");
      spoken.className = "visually-hidden";
      spoken.textContent = ". " +
        words(this.figures[at].querySelector(".caption-text"));
      this.count.append(spoken);
    }

    /* Buttons at an end stay in reach: one that is disabled drops the focus. */
    draw() {
      var at = this.at;
      var last = this.figures.length - 1;
      this.figures.forEach(function (figure, index) {
        figure.classList.toggle("shown", index === at);
      });
      this.count.textContent = "Step " + (at + 1) + " of " + (last + 1);
      this.back.setAttribute("aria-disabled", at === 0);
      this.on.setAttribute("aria-disabled", at === last);
      this.dataset.step = at + 1;
    }
  });
})();
