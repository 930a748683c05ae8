/* An action of a raw table changes all selected rows, some of them money: it is asked once more, with their number.
   Deleting has a page of its own that asks. */
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.id !== "changelist-form" || event.submitter?.name !== "index") return;
  const action = form.querySelector("select[name=action]").selectedOptions[0];
  const rows = form.querySelector(".action-counter")?.textContent.trim() ?? "";
  if (action.value !== "delete_selected" && !window.confirm(`${action.text}\n${rows}`)) event.preventDefault();
});
