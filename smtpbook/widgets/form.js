// What a form needs of the page it stands in, besides its style sheet.

const NOTICE_MS = 500; // from here on, somebody who waits wants to know what for
const MAX_UPLOAD_BYTES = 10_000_000; // see recipients_form.py

// JupyterLab takes Enter, the arrows and letters for the notebook's own wherever no text is
// typed; on a form's buttons and menus they are the form's.  Saving stays the notebook's.
// Lumino's rules begin with the element that has the focus, so that is where it must be told;
// it listens at the document, and the window's capturing phase comes before that.
const keep_keys = (event) => {
  const target = event.target;
  if (!target.closest?.(".smtpbook-form")) return;
  const is_save = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s";
  target.toggleAttribute("data-lm-suppress-shortcuts", !is_save);
};

// ipywidgets sends one change of a field at a time and holds the next ones back until the
// kernel has dealt with it; a click is sent at once.  So a click would overtake what was
// typed just before it: it is held back, too, once, and the page says so.  A kernel that has
// gone never deals with it: then the click is given up.  Where a front end keeps its changes
// in another way, nothing seems to be under way, and nothing is held back.
const hold_clicks = (el, fields) => {
  const held = new WeakSet();
  const released = new WeakSet();
  const is_under_way = (form) =>
    fields.some((field) => field._pending_msgs > 0 || field._msg_buffer) ||
    form.querySelector("[data-sending]") !== null;
  const has_gone = (form) =>
    !form.isConnected || fields.some((field) => field.comm_live === false);

  return async (event) => {
    const form = el.closest(".smtpbook-form");
    const button = event.target.closest?.("button.jupyter-button");
    if (!form?.contains(button) || released.delete(button) || !is_under_way(form)) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    if (held.has(button)) return;
    held.add(button);
    const since = Date.now();
    let notice;
    while (is_under_way(form) && !has_gone(form)) {
      if (!notice && Date.now() - since > NOTICE_MS) {
        notice = document.createElement("div");
        notice.className = "smtpbook-note smtpbook-hint";
        notice.textContent =
          "waiting until the kernel has taken what was typed; it is busy, or has " +
          "stopped: then run the cell again";
        button.after(notice);
      }
      await new Promise((done) => setTimeout(done, 10));
    }
    notice?.remove();
    held.delete(button);
    if (has_gone(form)) return;
    released.add(button);
    button.click();
  };
};

// A file travels in one message.  If that is larger than the server takes, the server closes
// the connection: the file is lost, and the field waits for its answer for ever.
const refuse_large_files = (model, field) => {
  field.on?.("change:value", () => {
    const files = field.get("value");
    if (!Array.isArray(files)) return;
    const file = files.find((one) => one?.content?.byteLength > MAX_UPLOAD_BYTES);
    if (!file) return;
    field.set("value", []);
    model.send({ field: field.model_id, name: file.name, size_bytes: file.size });
  });
};

// What comes into the page together with its role is not read aloud; what is put into a node
// that was there, is.  And a screen reader knows only by its id which note is a field's.
const speak = (el, form) => {
  const own = new WeakMap(); // what described an input before
  let notes = 0;
  const look = () => {
    for (const field of form.querySelectorAll(".smtpbook-field")) {
      const input = field.querySelector("input, select, textarea");
      if (!input) continue;
      if (!own.has(input)) own.set(input, input.getAttribute("aria-describedby"));
      const note = field.querySelector(".smtpbook-note");
      if (note) note.id ||= `smtpbook-note-${++notes}-${Date.now()}`;
      const ids = [own.get(input), note?.id].filter(Boolean).join(" ");
      if (ids) input.setAttribute("aria-describedby", ids);
      else input.removeAttribute("aria-describedby");
      const is_wrong = note?.classList.contains("smtpbook-error") ?? false;
      if (is_wrong) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
    for (const button of form.querySelectorAll(".smtpbook-fold > button"))
      button.setAttribute("aria-expanded", button.classList.contains("mod-active"));
  };
  const hear = (changes) => {
    for (const { addedNodes } of changes)
      for (const node of addedNodes)
        if (node.matches?.(".smtpbook-note:not([role=alert])"))
          el.textContent = node.textContent;
    look();
  };
  look();
  const observer = new MutationObserver(hear);
  observer.observe(form, { childList: true, subtree: true, attributeFilter: ["class"] });
  return observer;
};

// In a text field with a button beside it, Enter presses that button.
const press_on_enter = (event) => {
  if (event.key !== "Enter" || event.isComposing || !event.target.matches("input[type=text]"))
    return;
  event.target.closest(".smtpbook-row")?.querySelector("button")?.click();
};

// Words that the kernel wants written go where the cursor last was in the letter: the button
// that asked for them has the focus by then.  A form may stand in the page twice.
const cursors = new WeakMap(); // the field it was in, for each form
const write_at_cursor = (model, form) => {
  const fields = ".smtpbook-letter input, .smtpbook-letter textarea";
  const remember = ({ target }) => {
    if (target.matches(fields)) cursors.set(model, target);
    else if (!cursors.get(model)?.checkVisibility()) {
      const texts = Array.from(form.querySelectorAll(".smtpbook-letter textarea"));
      cursors.set(model, texts.find((text) => text.checkVisibility()));
    }
  };
  const write = ({ insert }) => {
    const field = cursors.get(model);
    if (insert === undefined || !form.contains(field)) return;
    field.focus();
    // Deprecated, and the only way to write that can be undone.
    document.execCommand("insertText", false, insert);
  };
  form.addEventListener("focusin", remember);
  form.addEventListener("click", remember); // not every browser's buttons take the focus
  model.on("msg:custom", write);
  return () => {
    form.removeEventListener("focusin", remember);
    form.removeEventListener("click", remember);
    model.off("msg:custom", write);
  };
};

function render({ model, el }) {
  el.classList.add("smtpbook-page");
  el.setAttribute("role", "status");
  const fields = [];
  for (const id of model.get("_fields"))
    model.widget_manager?.get_model(id)?.then((field) => {
      fields.push(field);
      refuse_large_files(model, field);
    });
  const hold = hold_clicks(el, fields);
  let leave;
  let is_over = false;
  const begin = () => {
    const form = el.closest(".smtpbook-form");
    if (form) leave = enter(form);
    else if (!is_over) requestAnimationFrame(begin); // it is put into its form a little later
  };
  const enter = (form) => {
    const observer = speak(el, form);
    const forget = write_at_cursor(model, form);
    form.addEventListener("keydown", press_on_enter, true); // fields let no key through
    return () => {
      observer.disconnect();
      forget();
      form.removeEventListener("keydown", press_on_enter, true);
    };
  };
  begin();
  window.addEventListener("keydown", keep_keys, true);
  window.addEventListener("click", hold, true);
  return () => {
    is_over = true;
    leave?.();
    window.removeEventListener("keydown", keep_keys, true);
    window.removeEventListener("click", hold, true);
  };
}

export default { render };
