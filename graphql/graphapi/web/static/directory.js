/* The map of a search: the places of the list as markers on a plain ground; the list says all of it too. */
"use strict";
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
  const map = L.map(ground, { attributionControl: false, fadeAnimation: false, zoomAnimation: false, maxZoom: 18 });
  map.fitBounds(L.latLngBounds(places.map((place) => place.at)).pad(0.1), { maxZoom: 16, animate: false });
  L.control.scale({ imperial: false }).addTo(map);
  const together = new Map();
  for (const place of places) {
    const key = place.at.join();
    together.set(key, [...(together.get(key) || []), place]);
  }
  for (const found of together.values()) {
    const said = document.createElement("div");
    const where = document.createElement("p");
    where.textContent = found[0].where;
    said.append(where);
    for (const place of found) {
      const line = document.createElement("p");
      const link = document.createElement("a");
      link.href = place.link.href;
      link.textContent = place.link.textContent;
      line.append(link);
      said.append(line);
    }
    const names = found.map((place) => place.link.textContent).join(", ");
    L.marker(found[0].at, { title: names, alt: names, keyboard: true }).addTo(map).bindPopup(said, { maxHeight: 220 });
  }
});
