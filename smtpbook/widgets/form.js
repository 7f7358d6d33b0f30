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

function render({ el }) {
  el.classList.add("smtpbook-style"); // it takes no room
  window.addEventListener("keydown", keep_keys, true);
  return () => window.removeEventListener("keydown", keep_keys, true);
}

export default { render };
