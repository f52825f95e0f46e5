// Small things that all views use.
import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { fully, machine, shortly, t, type Word } from "../words";

// 24 × 24, drawn with a pen of 1.75.
const ICONS = {
  all: "M3 13h5l1.500 3h5L16 13h5M5.500 5h13L21 13v6H3v-6z",
  PRIVATE: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 20c1-4 4-5 8-5s7 1 8 5",
  TICKET: "M4 7h16v3a2 2 0 0 0 0 4v3H4v-3a2 2 0 0 0 0-4zM14 7v2M14 11v2M14 15v2",
  VALIDATION_RESULT: "M4 12l5 5L20 6",
  SYSTEM: "M4 5h16v11H4zM9 20h6M12 16v4",
  followup: "M6 21V4h11l-2 4 2 4H6",
  mine: "M11 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM3 20c1-4 4-5 8-5M15 18l2 2 4-4",
  menu: "M4 7h16M4 12h16M4 17h16",
  write: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l5 5",
  back: "M11 5l-7 7 7 7M4 12h16",
  close: "M6 6l12 12M18 6L6 18",
  attach: "M20 11l-8 8a5 5 0 0 1-7-7l8-8a3.500 3.500 0 0 1 5 5l-8 8a2 2 0 0 1-3-3l7-7",
  internal: "M6 11h12v9H6zM8 11V8a4 4 0 0 1 8 0v3",
  keys: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M8 14h8",
} as const;

export type IconName = keyof typeof ICONS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={ICONS[name]} />
    </svg>
  );
}

/** What a person wrote, or is called: its own direction, kept from turning the text around it. */
export const Words = ({ children }: { children: string }) => <bdi>{children}</bdi>;

export function Time({ at }: { at: string }) {
  return (
    <time dateTime={machine(at)} title={fully(at)}>
      {shortly(at)}
    </time>
  );
}

export function Problem({ text, again }: { text: string; again?: () => void }) {
  return (
    <div class="problem" role="alert">
      <p>{text}</p>
      {again && (
        <button type="button" onClick={again}>
          {t("tryAgain")}
        </button>
      )}
    </div>
  );
}

export function Empty({ title, hint, icon }: { title: Word; hint?: Word; icon: IconName }) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <p class="title">{t(title)}</p>
      {hint && <p>{t(hint)}</p>}
    </div>
  );
}

export function Loading({ lines }: { lines: number }) {
  return (
    <div class="loading">
      <span class="unseen">{t("loading")}</span>
      {Array.from({ length: lines }, (_, line) => (
        <div key={line} class="bone" aria-hidden="true" />
      ))}
    </div>
  );
}

/** A dialog of the browser's own: it keeps the focus inside, closes on Escape, and gives the focus back. */
export function Dialog(props: { title: string; onClose(): void; children: ComponentChildren }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    ref.current?.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog ref={ref} aria-labelledby="dialog-title" onClose={props.onClose} onClick={(event) => event.target === ref.current && props.onClose()}>
      <div class="inside">
        <h2 id="dialog-title">{props.title}</h2>
        {props.children}
      </div>
    </dialog>
  );
}

/** Asks before something is done that cannot be undone. */
export function Confirm(props: { title: string; text: string; action: string; onYes(): void; onNo(): void }) {
  return (
    <Dialog title={props.title} onClose={props.onNo}>
      <p>{props.text}</p>
      <div class="send">
        <button type="button" class="main" onClick={props.onYes}>
          {props.action}
        </button>
        <button type="button" class="quiet" onClick={props.onNo}>
          {t("cancel")}
        </button>
      </div>
    </Dialog>
  );
}

// Whoever has just opened the page begins at its beginning.
let untouched = true;
for (const kind of ["keydown", "pointerdown"]) {
  addEventListener(kind, () => (untouched = false), { capture: true, once: true });
}

/** Puts the focus on a view's heading when the view changes, so that screen readers tell where one is. */
export function useFocusOn(ref: RefObject<HTMLElement | null>, what: unknown): void {
  useEffect(() => {
    if (!untouched) ref.current?.focus({ preventScroll: true });
  }, [what]);
}
