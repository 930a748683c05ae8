// Looks every five seconds whether the payment has moved, and only then shows the page anew: to be reloaded
// all the time would throw whoever has it read aloud back to its top.
const PAUSE = 5000;
const shown = document.querySelector("main").dataset.state;

async function look() {
  try {
    const answer = await fetch(location.pathname);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok && page.querySelector("main").dataset.state !== shown) {
      location.replace(location.pathname);
      return;
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // a TypeError: no network for a moment
  }
  setTimeout(look, PAUSE);
}

setTimeout(look, PAUSE);
