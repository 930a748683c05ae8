// Every page works without this file.

// A form that was refused: whoever comes back to its page reads the page, and is not asked whether to send the form again.
history.replaceState(null, "", location.href);

// Without a network nothing is sent: the browser would show its own page in place of ours, with what was typed.
function sayOffline(form) {
  const sentence = form.querySelector("[data-offline]") ?? form.appendChild(document.createElement("p"));
  sentence.className = "error";
  sentence.dataset.offline = "yes";
  sentence.setAttribute("role", "alert"); // older browsers know no `role` of an element
  sentence.textContent = document.body.dataset.offline;
}

// A shop on the same machine is reached without a network: `make run` on a train.
async function sendIfReached(form, submitter) {
  try {
    await fetch(location.href, { method: "HEAD", cache: "no-store" });
  } catch {
    sayOffline(form);
    return;
  }
  form.dataset.reached = "yes";
  form.requestSubmit(submitter);
  delete form.dataset.reached;
}

addEventListener("online", () => {
  for (const sentence of document.querySelectorAll("p[data-offline]")) sentence.remove();
});

// A second click on a button of a form sends nothing. The server would not do it twice either.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (!navigator.onLine && !form.dataset.reached) {
      event.preventDefault();
      sendIfReached(form, event.submitter);
      return;
    }
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    event.submitter?.setAttribute("aria-disabled", "true");
  });
}

// Back from the payment page: browsers show the page as it was left.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("[aria-disabled]")) button.removeAttribute("aria-disabled");
  }
});

// A page that waits for a payment looks every five seconds whether it has moved, and only then goes on: to the page
// again, or to where `data-next` leads. To be reloaded all the time would throw whoever has it read aloud back to its top.
const PAUSE = 5000;
const { waits, state, next } = document.querySelector("main").dataset;

async function look() {
  try {
    const answer = await fetch(location.pathname);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok && page.querySelector("main").dataset.state !== state) {
      location.replace(next || location.pathname);
      return;
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // a TypeError: no network for a moment
  }
  setTimeout(look, PAUSE);
}

if (waits) setTimeout(look, PAUSE);
