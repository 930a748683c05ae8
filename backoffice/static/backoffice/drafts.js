/* What was written into a form is not lost when the login had ended meanwhile: it is kept in this tab until the next page
   of the desk, and filled in again if that page is the form, reached by the login or by "Try again".
   Passwords, files and hidden fields are not kept, and nobody else who logs in here gets them. */
(() => {
  const { person, kept, isLogin } = document.currentScript.dataset;
  const DRAFT = "desk-draft";
  const here = location.pathname + location.search;
  const formsOf = () => [...document.querySelectorAll("form[method=post]")];
  const isTyped = (field) =>
    field.name && !["hidden", "password", "file", "submit", "button", "reset"].includes(field.type);
  const isChoice = (field) => ["checkbox", "radio"].includes(field.type);
  const fieldsOf = (form) => [...form.elements].filter(isTyped);

  const keep = (form) => {
    const values = fieldsOf(form).map((field) => [field.name, field.value, isChoice(field) ? field.checked : null]);
    const draft = { person, here, number: formsOf().indexOf(form), values };
    if (values.length) sessionStorage.setItem(DRAFT, JSON.stringify(draft));
  };

  const fillIn = (form, values) => {
    const fields = fieldsOf(form);
    for (const [name, value, checked] of values) {
      const field = fields.find((each) => each.name === name && (checked === null || each.value === value));
      if (!field) continue;
      if (checked === null) field.value = value;
      else field.checked = checked;
    }
    form.dispatchEvent(new Event("change", { bubbles: true }));
    const note = document.createElement("p");
    note.className = "desk-badge desk-badge--warn";
    note.setAttribute("role", "status");
    note.textContent = kept;
    form.prepend(note);
    note.scrollIntoView({ block: "center" });
  };

  if (isLogin !== undefined) return; // the second step of a login, which leads to the form
  document.addEventListener("submit", (event) => {
    if (event.target.method === "post") keep(event.target);
  });
  // Set by the page that refuses a form of before the login.
  const isKept = document.cookie.split("; ").includes("desk-kept=1");
  if (isKept) document.cookie = "desk-kept=; path=/admin/; max-age=0";
  const draft = JSON.parse(sessionStorage.getItem(DRAFT));
  sessionStorage.removeItem(DRAFT);
  if (!draft || draft.person !== person || draft.here !== here) return;
  const cameFrom = document.referrer ? new URL(document.referrer).pathname : "";
  const byLogin = /\/(login|second-factor)\/$/.test(cameFrom);
  const form = formsOf()[draft.number];
  if (form && (byLogin || isKept)) fillIn(form, draft.values);
})();
