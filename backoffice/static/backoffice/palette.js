/* unfold's command palette by keyboard: its field in the sidebar is reached by Tab and opened by Enter, and when it closes,
   the focus goes back to where it was. */
(() => {
  const input = document.getElementById("search-input-command");
  const opener = document.querySelector("[x-on\\:click*=opencommand]");
  if (!input || !opener) return;
  input.setAttribute("aria-label", input.placeholder);
  opener.setAttribute("role", "button");
  opener.tabIndex = 0;
  let before = opener;
  const remember = () => {
    if (document.activeElement !== document.body) before = document.activeElement;
  };
  window.addEventListener("opencommand", remember, true);
  window.addEventListener("keydown", (event) => {
    if (event.key === "k" && (event.ctrlKey || event.metaKey)) remember();
  }, true);
  opener.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    opener.click();
  });
  // The first Escape empties the field, the second one closes the palette.
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && input.value === "") setTimeout(() => before.focus());
  }, true);
})();
