// Suggestions while one types: an ARIA 1.2 combobox. The page works without this script.
"use strict";

(() => {
  const input = document.querySelector("form.search #q");
  if (!input) return;
  const pause = 80;
  const form = input.form;
  // In the language of the page.
  const said = form.dataset;
  const names = said.kinds.split("|");
  const kinds = { titles: names[0], authors: names[1], subjects: names[2], series: names[3] };
  const list = document.createElement("ul");
  const status = document.createElement("p");
  let active = -1;
  let timer;
  let request;

  list.id = "suggestions";
  list.className = "suggestions";
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", said.label);
  status.className = "unseen";
  status.setAttribute("role", "status");
  input.closest(".field").append(list, status);
  for (const [name, value] of Object.entries({
    role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id,
  })) input.setAttribute(name, value);

  const options = () => [...list.children];

  function stopAsking() {
    clearTimeout(timer);
    request?.abort();
  }

  function close() {
    stopAsking();
    list.hidden = true;
    activate(-1);
    input.setAttribute("aria-expanded", "false");
  }

  // What comes late would take away what the reader has moved to.
  function move(index) {
    stopAsking();
    activate(index);
  }

  function activate(index) {
    active = index;
    options().forEach((option, at) => option.setAttribute("aria-selected", String(at === index)));
    const option = options()[index];
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
    option?.scrollIntoView({ block: "nearest" });
  }

  function choose(option) {
    input.value = option.dataset.text;
    close();
    form.requestSubmit();
  }

  function show(suggestions) {
    const items = Object.entries(kinds).flatMap(([kind, label]) =>
      suggestions[kind].map(({ text }) => ({ text, label })));
    list.replaceChildren(...items.map(({ text, label }, at) => {
      const option = document.createElement("li");
      const words = document.createElement("span");
      const kind = document.createElement("small");
      option.id = `suggestion-${at}`;
      option.dataset.text = text;
      option.setAttribute("role", "option");
      words.dir = "auto";
      words.textContent = text;
      kind.textContent = label;
      option.append(words, " ", kind);
      return option;
    }));
    activate(-1);
    list.hidden = items.length === 0;
    input.setAttribute("aria-expanded", String(items.length > 0));
    status.textContent = items.length === 0 ? "" : said.count.replace("{count}", items.length);
  }

  async function ask() {
    request?.abort();
    request = new AbortController();
    // What narrows the search down narrows the suggestions down, too.
    const parameters = new URLSearchParams(new FormData(form));
    for (const name of ["mode", "sort", "limit", "lang"]) parameters.delete(name);
    parameters.set("limit", "3");
    try {
      const reply = await fetch(`/api/suggest?${parameters}`, { signal: request.signal });
      if (reply.ok && document.activeElement === input) show(await reply.json());
    } catch {
      // Without suggestions one types on.
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    if (input.value.trim() === "") close();
    else timer = setTimeout(ask, pause);
  });
  input.addEventListener("blur", close);
  form.addEventListener("submit", close);
  input.addEventListener("keydown", (event) => {
    const last = list.children.length - 1;
    if (event.isComposing || list.hidden) return;
    switch (event.key) {
      case "ArrowDown": move(active === last ? -1 : active + 1); break;
      case "ArrowUp": move(active === -1 ? last : active - 1); break;
      case "Escape": close(); break;
      case "Enter":
        if (active === -1) return;
        choose(options()[active]);
        break;
      default: return;
    }
    event.preventDefault();
  });
  // The focus stays in the box.
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) choose(option);
  });
})();
