/* Comfort on top of pages that work without: what was refused gets the focus, also in parts that htmx brings;
   the menu is closed where it would fill a narrow screen; what htmx could not bring the browser asks for itself, so
   that the page that says what to do next is seen. */
"use strict";
(() => {
  const show = (root) => {
    const errors = root.querySelector("#errors");
    if (errors) errors.focus();
  };
  document.addEventListener("DOMContentLoaded", () => show(document));
  const narrow = window.matchMedia("(max-width: 40rem)");
  const fold = () => document.querySelectorAll(".head__menu--long").forEach((menu) => { menu.open = !narrow.matches; });
  narrow.addEventListener("change", fold);
  fold();
  document.addEventListener("htmx:afterSwap", (event) => show(event.target));
  const again = (event) => {
    const form = event.detail.elt;
    if (form.matches("form[hx-push-url='true']")) form.submit();
  };
  document.addEventListener("htmx:responseError", again);
  document.addEventListener("htmx:sendError", again);
})();
