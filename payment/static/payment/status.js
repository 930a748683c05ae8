// Looks every five seconds whether the payment has moved, and only then goes on: to the page anew, or to where
// `data-next` leads, which is the page of the shop for this payment. To be reloaded
// all the time would throw whoever has it read aloud back to its top.
const PAUSE = 5000;
const { state: shown, next } = document.querySelector("main").dataset;

async function look() {
  try {
    const answer = await fetch(location.pathname);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok && page.querySelector("main").dataset.state !== shown) {
      location.replace(next || location.pathname);
      return;
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // a TypeError: no network for a moment
  }
  setTimeout(look, PAUSE);
}

setTimeout(look, PAUSE);
