// Keeps the focus when what had it goes away: a button that has done its work, a file that was removed, a choice that
// was made. Else it would fall to the document's beginning, and whoever works by keyboard or screen reader with it.
const FOCUSABLE = "button:not(:disabled), a[href], input, select, textarea, [tabindex]";
// A view that is just changing says itself where the focus goes.
const AFTER_MS = 50;

const takes = (found: Element): found is HTMLElement =>
  found instanceof HTMLElement && found.matches(FOCUSABLE) && found.offsetParent !== null && !found.closest("[aria-hidden=true]");

/** Begins to watch; once for the page. */
export function keepFocus(place: HTMLElement): void {
  // What had it last, and what that stood in, from the inside out; each with what is beside it.
  let path: { element: Element; beside: (Element | null)[] }[] = [];
  let timer = 0;
  addEventListener("focusin", (event) => {
    path = [];
    for (let each = event.target as Element | null; each; each = each.parentElement) {
      path.push({ element: each, beside: [each.nextElementSibling, each.previousElementSibling] });
    }
  });

  function look() {
    const lost = document.activeElement === null || document.activeElement === document.body;
    if (!lost || path[0]?.element.isConnected !== false) return;
    const near = path.flatMap(({ element, beside }) => (element.isConnected ? [element] : beside));
    for (const each of near) {
      const next = each?.isConnected && [each, ...each.querySelectorAll(FOCUSABLE)].find(takes);
      if (next) {
        next.focus();
        return;
      }
    }
  }

  new MutationObserver(() => {
    clearTimeout(timer);
    timer = window.setTimeout(look, AFTER_MS);
  }).observe(place, { childList: true, subtree: true });
}
