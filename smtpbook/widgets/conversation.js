// What client and server say, line by line as it happens.  Lines that stay are left alone, so
// that a screen reader reads the new ones, and one dialogue takes another's place in one step,
// for what is hidden meanwhile loses the focus; all text is put in as text, never as markup.

const isLine = (node, line) =>
  line && node.dataset.who === line[0] && node.textContent === line[1];

export default () => {
  const lines = []; // of this model, whichever views it has

  const initialize = ({ model }) => {
    model.on("msg:custom", (message) => {
      // Another page that asks for all lines must not double them on this one.
      if (message.kind === "lines" && message.first <= lines.length)
        lines.splice(message.first, Infinity, ...message.lines);
    });
    model.send({ kind: "lines?" });
  };

  const render = ({ model, el }) => {
    const log = document.createElement("div");
    log.className = "smtpbook-conversation";
    log.tabIndex = 0; // it scrolls, so it must be reachable by keyboard
    log.setAttribute("role", model.get("is_live") ? "log" : "region");
    log.setAttribute("aria-label", model.get("label"));
    el.append(log);
    const draw = (first) => {
      const drawn = log.children;
      let stays = Math.min(first, drawn.length);
      while (stays < drawn.length && isLine(drawn[stays], lines[stays])) stays++;
      while (drawn.length > stays) log.lastChild.remove();
      for (const [who, text] of lines.slice(stays)) {
        const line = document.createElement("div");
        line.dataset.who = who;
        line.textContent = text;
        log.append(line);
      }
      log.hidden = !lines.length;
      const chosen = log.querySelector("[data-who=chosen]");
      log.scrollTop = chosen
        ? chosen.offsetTop - log.offsetTop - log.clientHeight / 3
        : log.scrollHeight;
    };
    const hear = (message) => draw(message.first);
    draw(0);
    model.on("msg:custom", hear);
    return () => model.off("msg:custom", hear);
  };

  return { initialize, render };
};
