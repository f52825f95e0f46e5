// The page's keys. Single ones can be switched off (WCAG 2.1.4), and never act while one writes.
import { device } from "./storage";

const KEPT = "convstore.keys";

export const keysOn = (): boolean => device.get(KEPT) !== "off";
export const setKeysOn = (on: boolean): void => device.set(KEPT, on ? "on" : "off");

export type Key = "j" | "k" | "c" | "/" | "r" | "f" | "u" | "Escape" | "?";
export type Keys = Partial<Record<Key, () => void>>;

const writes = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches("input:not([type=checkbox]):not([type=radio]), textarea, select");

export function press(event: KeyboardEvent, keys: Keys): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (document.querySelector("dialog[open]")) return;
  const key = event.key as Key;
  if (key !== "Escape" && (!keysOn() || writes(event.target))) return;
  const action = keys[key];
  if (!action) return;
  event.preventDefault();
  action();
}
