/* The explorer of softmax and scale: two sliders, two rows of weights.

   <softmax-explorer data-figure='{"d_k": [...], "scores": [[...], ...]}'>
   holds the static picture; it is replaced where scripts run. */
(function () {
  "use strict";

  function softmax(scores) {
    var top = Math.max.apply(null, scores);
    var parts = scores.map(function (score) { return Math.exp(score - top); });
    var sum = parts.reduce(function (a, b) { return a + b; }, 0);
    return parts.map(function (part) { return part / sum; });
  }

  function entropy(weights) {
    return weights.reduce(function (sum, w) {
      return w > 0 ? sum - w * Math.log2(w) : sum;
    }, 0);
  }

  /* In a text, d_k is written with its index lowered. */
  function element(name, className, text) {
    var made = document.createElement(name);
    if (className) made.className = className;
    (text || "").split("d_k").forEach(function (part, index) {
      if (index) {
        var lowered = document.createElement("sub");
        lowered.textContent = "k";
        made.append("d", lowered);
      }
      made.append(part);
    });
    return made;
  }

  function slider(label, options, show) {
    var row = element("label");
    var shown = element("output");
    var input = element("input");
    input.type = "range";
    Object.keys(options).forEach(function (key) { input[key] = options[key]; });
    row.append(element("span", "", label), shown, input);
    function tell() {
      shown.textContent = show(input.valueAsNumber);
      input.setAttribute("aria-valuetext", shown.textContent);
    }
    input.addEventListener("input", tell);
    tell();
    return { row: row, input: input };
  }

  function panel(title) {
    var box = element("div", "panel");
    var bars = element("div", "bars");
    var says = element("p");
    bars.setAttribute("role", "img");
    box.append(element("h4", "", title), bars, says);
    return {
      box: box,
      draw: function (weights) {
        bars.replaceChildren.apply(bars, weights.map(function (weight) {
          var bar = element("span");
          bar.style.height = (100 * weight).toFixed(1) + "%";
          return bar;
        }));
        var words = weights.map(function (w) { return w.toFixed(2); });
        bars.setAttribute("aria-label", "Weights " + words.join(", "));
        says.textContent = "largest weight " +
          Math.max.apply(null, weights).toFixed(3) + ", entropy " +
          entropy(weights).toFixed(2) + " of " +
          Math.log2(weights.length).toFixed(2) + " bits";
      },
    };
  }

  customElements.define("softmax-explorer", class extends HTMLElement {
    connectedCallback() {
      if (this.ready) return;
      this.ready = true;
      var data = JSON.parse(this.dataset.figure);
      var size = slider("Length of the vectors, d_k",
        { min: 0, max: data.d_k.length - 1, step: 1, value: 4 },
        function (index) { return String(data.d_k[index]); });
      var heat = slider("Temperature",
        { min: 0.25, max: 4, step: 0.05, value: 1 },
        function (value) { return value.toFixed(2); });
      var plain = panel("scores as they are");
      var scaled = panel("divided by \u221ad_k");
      var panels = element("div", "panels");
      panels.append(plain.box, scaled.box);

      function draw() {
        var index = size.input.valueAsNumber;
        var d = data.d_k[index];
        var t = heat.input.valueAsNumber;
        var scores = data.scores[index];
        plain.draw(softmax(scores.map(function (s) { return s / t; })));
        scaled.draw(softmax(scores.map(function (s) {
          return s / Math.sqrt(d) / t;
        })));
      }

      size.input.addEventListener("input", draw);
      heat.input.addEventListener("input", draw);
      var box = element("div", "explorer");
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", "Explorer of softmax and scale");
      box.append(size.row, heat.row, panels);
      draw();
      this.replaceChildren(box);
    }
  });
})();
