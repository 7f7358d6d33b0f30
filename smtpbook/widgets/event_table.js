// A page of events as a grid of which one row is chosen.  One row can be reached by Tab, the
// others by the arrows from there; all text is put in as text, never as markup.

const element = (name, parent, text = "") => {
  const made = document.createElement(name);
  made.textContent = text;
  parent.append(made);
  return made;
};

function render({ model, el }) {
  const scroll = element("div", el);
  scroll.className = "smtpbook-scroll";
  const table = element("table", scroll);
  table.className = "smtpbook-events";
  table.setAttribute("role", "grid");
  table.ariaLabel = model.get("label");
  const head = element("tr", element("thead", table));
  for (const header of model.get("headers"))
    element("th", head, header).setAttribute("scope", "col");
  const body = element("tbody", table);
  let landing; // where the arrows go on when another page is there

  const mark = () => {
    const chosen = model.get("chosen");
    for (const [at, row] of Array.from(body.children).entries()) {
      row.setAttribute("aria-selected", at === chosen);
      row.tabIndex = at === Math.max(chosen, 0) ? 0 : -1;
    }
  };

  const draw = () => {
    const has_focus = body.contains(document.activeElement);
    body.replaceChildren();
    table.ariaRowCount = model.get("total") + 1;
    for (const [at, cells] of model.get("rows").entries()) {
      const row = element("tr", body);
      row.className = model.get("kinds")[at] ?? "";
      row.ariaRowIndex = model.get("first") + at + 2; // the head is the first
      row.ariaLabel = cells.filter(Boolean).join(", ");
      for (const cell of cells) element("td", row, cell).title = cell;
    }
    mark();
    if (!has_focus) return;
    if (landing !== undefined) choose(landing < 0 ? body.children.length - 1 : landing);
    else body.querySelector("[tabindex='0']")?.focus();
  };

  const choose = (at) => {
    if (!body.children[at]) return;
    landing = undefined;
    model.set("chosen", at);
    model.save_changes();
    mark();
    body.children[at].focus();
  };

  const press = (event) => {
    const at = Array.from(body.children).indexOf(event.target);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = body.children.length - 1;
    const turn = (by, row) => {
      landing = row;
      model.send({ turn: by });
    };
    const act = {
      ArrowDown: () => (at < last ? choose(at + 1) : turn(1, 0)),
      ArrowUp: () => (at > 0 ? choose(at - 1) : turn(-1, -1)),
      Home: () => choose(0),
      End: () => choose(last),
      PageDown: () => turn(1, 0),
      PageUp: () => turn(-1, 0),
      Enter: () => choose(at),
      " ": () => choose(at),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  };
  const click = (event) =>
    choose(Array.from(body.children).indexOf(event.target.closest("tr")));

  draw();
  body.addEventListener("keydown", press);
  body.addEventListener("click", click);
  model.on("change:rows", draw);
  model.on("change:chosen", mark);
  return () => {
    model.off("change:rows", draw);
    model.off("change:chosen", mark);
  };
}

export default { render };
