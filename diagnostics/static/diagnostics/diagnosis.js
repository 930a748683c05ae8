// The message is text that can be selected and copied without this; the button saves the selecting.
const button = document.querySelector("#copy");
const letter = document.querySelector("#letter");

if (button && navigator.clipboard) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(letter.value);
    button.textContent = "Copied";
  });
}
