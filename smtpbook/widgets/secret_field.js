// A field whose text leaves the browser once, as the buffer of a message: never as a
// value of the widget, which would be echoed and saved with the notebook.

const element = (name, attributes = {}) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
};

function render({ model, el }) {
  const id = `smtpbook-secret-${Math.random().toString(36).slice(2)}`;
  const label = element("label", { for: id });
  const input = element("input", {
    id,
    // A browser offers to fill in, or to keep, what it takes for a known login.
    autocomplete: "new-password",
    spellcheck: "false",
    autocapitalize: "off",
    "aria-describedby": `${id}-status`,
  });
  const show = element("button", { type: "button" });
  const forget = element("button", { type: "button" });
  const status = element("span", { id: `${id}-status`, role: "status" });
  label.textContent = model.get("label");
  input.placeholder = model.get("placeholder");
  forget.textContent = "Forget";
  forget.setAttribute("aria-label", `Forget: ${model.get("label")}`);
  forget.hidden = true;

  const mask = (masked) => {
    input.type = masked ? "password" : "text";
    show.textContent = masked ? "Show" : "Hide";
    show.setAttribute("aria-label", `${show.textContent}: ${model.get("label")}`);
    show.setAttribute("aria-pressed", String(!masked));
  };
  mask(model.get("_masked"));
  show.hidden = !model.get("_masked");

  let shown = ""; // what the kernel put in; it knows that already
  const hand_over = () => {
    if (input.value === shown) return;
    const text = new TextEncoder().encode(input.value);
    input.value = shown = "";
    mask(model.get("_masked"));
    status.textContent = "sending …";
    el.dataset.sending = ""; // a form holds clicks back until it is kept
    model.send({ kind: "text" }, undefined, [text]);
  };

  el.classList.add("smtpbook-secret");
  // Lumino's word for: keys pressed here are not JupyterLab's.
  for (const control of [input, show, forget])
    control.setAttribute("data-lm-suppress-shortcuts", "true");
  el.append(label, input, show, forget, status);

  show.addEventListener("click", () => {
    mask(input.type === "text");
    input.focus();
  });
  // A click on "Show" must not count as leaving the field.
  show.addEventListener("mousedown", (event) => event.preventDefault());
  forget.addEventListener("click", () => model.send({ kind: "forget" }));
  input.addEventListener("keydown", (event) => {
    // Enter also ends a composition of an input method.
    if (event.key === "Enter" && !event.isComposing) hand_over();
  });
  el.addEventListener("focusout", (event) => {
    // Another window in front is no reason to send half a password.
    if (document.hasFocus() && !el.contains(event.relatedTarget)) hand_over();
  });

  const hear = (message) => {
    if (message.kind !== "status") return;
    status.textContent = message.text;
    forget.hidden = !message.is_kept;
    if (message.is_kept) delete el.dataset.sending;
    if (message.shown !== undefined) input.value = shown = message.shown;
  };
  const replace = () => {
    input.placeholder = model.get("placeholder");
  };
  model.on("change:placeholder", replace);
  model.on("msg:custom", hear);
  model.send({ kind: "status?" });
  return () => {
    input.value = "";
    model.off("change:placeholder", replace);
    model.off("msg:custom", hear);
  };
}

export default { render };
