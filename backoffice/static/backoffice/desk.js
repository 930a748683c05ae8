/* On every page of the desk: a button beside each number that is copied, the focus on what is to be corrected, and
   sums at charts as people in India read them: unfold's axes write bare digits.
   Without scripts numbers are selected by hand, and errors stand beside their fields all the same. */
(() => {
  const desk = document.getElementById("desk");
  const write = (source) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "desk-copy";
    button.textContent = desk.dataset.copy;
    button.setAttribute("aria-live", "polite");
    button.title = `${desk.dataset.copy}: ${source.textContent.trim()}`;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(source.textContent.trim());
      button.textContent = desk.dataset.copied;
      setTimeout(() => (button.textContent = desk.dataset.copy), 2000);
    });
    source.after(" ", button);
  };
  // Browsers give the clipboard to pages under HTTPS, and on this machine.
  if (navigator.clipboard) desk.querySelectorAll("[data-copies]").forEach(write);
  // Chromium leaves `autofocus` out on some slow loads.
  (desk.querySelector("[aria-invalid=true]") ?? desk.querySelector("section[autofocus]"))?.focus();
  const grouped = new Intl.NumberFormat("en-IN");
  const spell = (unit, value) => (unit === "%" ? `${grouped.format(value)} %` : `${unit}${grouped.format(value)}`);
  if (window.Chart) {
    // unfold draws its charts when the page is loaded, later than this runs. All share one object of options.
    Chart.register({
      id: "units",
      beforeInit: (chart) => {
        chart.options.scales.y.ticks.callback = function (value) {
          return spell(this.chart.data.datasets[0].unit, value);
        };
      },
    });
    Chart.defaults.plugins.tooltip.callbacks.label = ({ dataset, parsed }) =>
      `${dataset.label}: ${spell(dataset.unit, parsed.y)}`;
  }
})();
