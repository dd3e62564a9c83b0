// ipywidgets gives a slider a label to see and no name to hear: the label becomes the name.
function name(dashboard) {
  for (const slider of dashboard.querySelectorAll(".widget-slider")) {
    const label = slider.querySelector(".widget-label")?.textContent;
    for (const part of slider.querySelectorAll(".noUi-handle, .widget-readout")) {
      if (label && part.getAttribute("aria-label") !== label) part.setAttribute("aria-label", label);
    }
  }
}

function render({ el }) {
  // The controls may be drawn before this widget or after it, and again.
  const watch = new MutationObserver(() => name(dashboard));
  let dashboard;
  const wait = requestAnimationFrame(function look() {
    dashboard = el.closest(".devops-lab-dashboard");
    if (!dashboard) return requestAnimationFrame(look);
    name(dashboard);
    watch.observe(dashboard, { childList: true, subtree: true, characterData: true });
  });
  return () => {
    cancelAnimationFrame(wait);
    watch.disconnect();
  };
}

export default { render };
