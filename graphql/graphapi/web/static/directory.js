/* Comfort for the search, which works without. */
"use strict";

/* Suggestions lie over the page under the words. They are links: arrows go through them, Tab too; Escape, another
   place on the page or a search closes them, and the next letter brings them back. */
document.addEventListener("DOMContentLoaded", () => {
  const words = document.getElementById("field-text");
  const list = document.getElementById("suggestions");
  if (!words || !list) return;
  const links = () => (list.hidden ? [] : [...list.querySelectorAll("a")]);
  const close = () => { list.hidden = true; };
  words.addEventListener("input", () => { list.hidden = false; });
  words.form.addEventListener("submit", close);
  list.addEventListener("mousedown", (event) => event.preventDefault()); // Safari gives a pressed link no focus
  words.parentElement.addEventListener("focusout", (event) => {
    if (!words.parentElement.contains(event.relatedTarget)) close();
  });
  words.parentElement.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && links().length) {
      event.preventDefault();
      words.focus();
      close();
      return;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    if (event.target === words) list.hidden = false;
    const stops = [words, ...links()];
    const next = stops[stops.indexOf(document.activeElement) + step];
    if (next && stops.length > 1) {
      event.preventDefault();
      next.focus();
    }
  });
});

/* Filters that are chosen are open; on a telephone that would put the results far below. */
if (window.matchMedia("(max-width: 40rem)").matches) {
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".filters").forEach((filters) => { filters.open = false; });
  });
}

/* The map of a search: the places of the list as markers on a plain ground; the list says all of it too. */
document.addEventListener("DOMContentLoaded", () => {
  const ground = document.getElementById("map");
  if (!ground || !window.L) return;
  const places = [...document.querySelectorAll(".results li")].flatMap((entry) =>
    [...entry.querySelectorAll("[data-latitude]")].map((place) => ({
      at: [Number(place.dataset.latitude), Number(place.dataset.longitude)],
      where: place.textContent,
      link: entry.querySelector("h3 a"),
    })),
  );
  if (!places.length) return;
  const map = L.map(ground, { attributionControl: Boolean(ground.dataset.tiles), zoomControl: false, fadeAnimation: false, zoomAnimation: false, maxZoom: 18 });
  L.control.zoom({ zoomInTitle: ground.dataset.in, zoomOutTitle: ground.dataset.out }).addTo(map);
  ground.addEventListener("keydown", (event) => { if (event.key === "Escape") map.closePopup(); });
  map.fitBounds(L.latLngBounds(places.map((place) => place.at)).pad(0.1), { maxZoom: 16, animate: false });
  L.control.scale({ imperial: false }).addTo(map);
  if (ground.dataset.tiles) {
    const credit = document.createElement("span");
    credit.textContent = ground.dataset.credit;
    map.attributionControl.setPrefix(false);
    L.tileLayer(ground.dataset.tiles, { attribution: credit.innerHTML, referrerPolicy: "no-referrer" }).addTo(map);
  }
  const markers = L.layerGroup().addTo(map);
  const draw = () => {
    markers.clearLayers();
    const together = []; // no two markers so near that a finger cannot tell them apart
    for (const place of places) {
      const point = map.latLngToLayerPoint(place.at);
      const near = together.find((group) => group.point.distanceTo(point) < 50);
      if (near) near.places.push(place);
      else together.push({ point, places: [place] });
    }
    for (const { places: found } of together) {
      const said = document.createElement("ul");
      for (const place of found) {
        const line = document.createElement("li");
        const link = document.createElement("a");
        link.href = place.link.href;
        link.textContent = place.link.textContent;
        line.append(link, ` ${place.where}`);
        said.append(line);
      }
      const services = [...new Set(found.map((place) => place.link.textContent))];
      const names = services.length > 3 ? `${services.length} ${ground.dataset.several}` : services.join(", ");
      const marker = L.marker(found[0].at, { title: names, alt: names }).addTo(markers).bindPopup(said, { maxHeight: 220 });
      marker.on("popupopen", ({ popup }) => {
        popup.getElement().querySelector(".leaflet-popup-close-button").setAttribute("aria-label", ground.dataset.close);
        said.querySelector("a").focus();
      });
      marker.on("popupclose", () => { if (document.activeElement === document.body) marker.getElement()?.focus(); });
    }
  };
  map.on("zoomend", draw);
  draw();
});
