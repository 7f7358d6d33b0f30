// What a form needs of the page it stands in, besides its style sheet.

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
// typed just before it: it is held back, too.
const hold_clicks = (model, el) => {
  const released = new WeakSet();
  let fields = [];
  const ids = model.get("_fields");
  Promise.all(ids.map((id) => model.widget_manager.get_model(id))).then(
    (models) => (fields = models),
  );
  const is_under_way = (form) =>
    fields.some((field) => field._pending_msgs > 0 || field._msg_buffer) ||
    form.querySelector("[data-sending]") !== null;

  return async (event) => {
    const form = el.closest(".smtpbook-form");
    const button = event.target.closest?.("button.jupyter-button");
    if (!form?.contains(button) || released.delete(button) || !is_under_way(form)) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    while (is_under_way(form)) await new Promise((done) => setTimeout(done, 10));
    released.add(button);
    button.click();
  };
};

function render({ model, el }) {
  el.classList.add("smtpbook-style"); // it takes no room
  const hold = hold_clicks(model, el);
  window.addEventListener("keydown", keep_keys, true);
  window.addEventListener("click", hold, true);
  return () => {
    window.removeEventListener("keydown", keep_keys, true);
    window.removeEventListener("click", hold, true);
  };
}

export default { render };
