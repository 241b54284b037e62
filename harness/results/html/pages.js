"use strict";

/* One page at a time: the one that the address names. Without scripts all are there. */

const byId = (id) => document.getElementById(id);

/* An element with text in it; text is never read as markup. */
function made(name, text, attributes = {}) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

{
  const pages = [...document.querySelectorAll("main > .page")];

  function named() {
    try {
      return decodeURIComponent(location.hash.slice(1));
    } catch {
      return ""; // no address of ours
    }
  }

  function show(move) {
    const wanted = named();
    const page = pages.find((one) => one.id === wanted) ?? pages[0];
    for (const one of pages) one.classList.toggle("shown", one === page);
    const place = page.id.startsWith("run-") ? "runs" : page.id;
    for (const link of document.querySelectorAll("#pages a")) {
      if (link.hash === `#${place}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (!move) return;
    scrollTo(0, 0);
    page.querySelector("h2").focus({ preventScroll: true });
  }

  document.documentElement.classList.add("paged");
  addEventListener("hashchange", () => {
    if (location.hash !== "#main") show(true);
  });
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("main details")) part.open = true;
  });
  show(false);
}
