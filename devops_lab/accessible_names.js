// ipywidgets gives a slider a label to see and no name to hear: the label becomes the name.
function name(dashboard) {
  for (const slider of dashboard.querySelectorAll(".widget-slider")) {
    const label = slider.querySelector(".widget-label").textContent;
    for (const part of slider.querySelectorAll(".noUi-handle, .widget-readout")) {
      part.setAttribute("aria-label", label);
    }
    // The number beside the slider can be typed over, which only a text box may say.
    slider.querySelector(".widget-readout")?.setAttribute("role", "textbox");
  }
}

function render({ el }) {
  let watch;
  let frame = requestAnimationFrame(function look() {
    const dashboard = el.closest(".devops-lab-dashboard");
    if (!dashboard) {
      frame = requestAnimationFrame(look);
      return;
    }
    // The controls may be drawn before this widget or after it, and again.
    watch = new MutationObserver(() => name(dashboard));
    watch.observe(dashboard, { childList: true });
    name(dashboard);
  });
  return () => {
    cancelAnimationFrame(frame);
    watch?.disconnect();
  };
}

export default { render };
