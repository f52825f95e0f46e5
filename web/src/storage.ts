// What the browser keeps for the page. One that keeps nothing (storage switched off, or full) keeps it in memory.
function keeper(which: "localStorage" | "sessionStorage") {
  const memory = new Map<string, string>();
  const attempt = <T>(action: (storage: Storage) => T): T | undefined => {
    try {
      return action(window[which]);
    } catch {
      return undefined;
    }
  };
  return {
    get: (name: string): string | null => attempt((storage) => storage.getItem(name)) ?? memory.get(name) ?? null,
    set(name: string, value: string): void {
      memory.set(name, value);
      attempt((storage) => storage.setItem(name, value));
    },
    remove(name: string): void {
      memory.delete(name);
      attempt((storage) => storage.removeItem(name));
    },
    names: (): string[] => [...new Set([...memory.keys(), ...(attempt((storage) => Object.keys(storage)) ?? [])])],
  };
}

/** Kept on this device. */
export const device = keeper("localStorage");
/** Kept until this tab is closed. */
export const tab = keeper("sessionStorage");
