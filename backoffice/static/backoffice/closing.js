/* The sums of the page that closes a time, added up again at each choice. Without scripts a button does it. */
(() => {
  const form = document.getElementById("closing");
  if (!form) return;
  const rupees = new Intl.NumberFormat("en-IN", { style: "currency", currency: "INR" });
  const selects = [...form.querySelectorAll("select[data-paise]")];
  const sumOf = (then) =>
    selects.filter((each) => each.value === then).reduce((sum, each) => sum + Number(each.dataset.paise), 0);
  const addUp = () => {
    form.querySelectorAll("[data-sum]").forEach((output) => {
      output.textContent = rupees.format(sumOf(output.dataset.sum) / 100);
    });
    const waits = form.querySelector("[data-waits]");
    if (waits) waits.hidden = sumOf("REFUND") + sumOf("OFFER") <= Number(form.dataset.alone);
  };
  form.querySelector("[data-without-scripts]").hidden = true;
  form.addEventListener("change", addUp);
  addUp();
})();
