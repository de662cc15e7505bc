// Loaded before anything is drawn, so that the chosen theme never flashes past.
(() => {
  const root = document.documentElement;
  const chosen = () => {
    try {
      return localStorage.getItem("postern-theme");
    } catch {
      return null; // storage may be forbidden
    }
  };
  root.classList.add("live");
  const apply = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
  };
  apply(chosen());
  window.addEventListener("storage", (event) => event.key === "postern-theme" && apply(event.newValue));
})();
