// Octets and fields light up together: under the mouse, and with the arrow keys in the table of fields.
"use strict";
for (const frame of document.querySelectorAll(".frame")) {
  const rows = [...frame.querySelectorAll("tr[data-f]")];
  const octets = [...frame.querySelectorAll("b[data-f]")];
  const has = (octet, name) => octet.dataset.f.split(" ").includes(name);
  const light = (names) => {
    for (const row of rows) row.classList.toggle("on", names.includes(row.dataset.f));
    for (const octet of octets) octet.classList.toggle("on", names.some((name) => has(octet, name)));
  };
  rows.forEach((row, number) => {
    row.tabIndex = number ? -1 : 0;
    row.addEventListener("mouseenter", () => light([row.dataset.f]));
    row.addEventListener("mouseleave", () => light([]));
    row.addEventListener("focus", () => light([row.dataset.f]));
    row.addEventListener("blur", () => light([]));
    row.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const next = step && rows[number + step];
      if (!next) return;
      event.preventDefault();
      row.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  });
  for (const octet of octets) {
    octet.addEventListener("mouseenter", () => light(octet.dataset.f.split(" ")));
    octet.addEventListener("mouseleave", () => light([]));
  }
}
