// What the page says in passing: to be seen for a few seconds, and to be heard by screen readers.
import { useEffect, useState } from "preact/hooks";

interface Said {
  text: string;
  /** Tells the same text said twice apart. */
  number: number;
  shown: boolean;
}

let hear: (said: Said) => void = () => undefined;
let number = 0;

/** Says it, seen and heard. */
export const tell = (text: string): void => hear({ text, number: ++number, shown: true });

/** Says it to screen readers only: what eyes see anyhow. */
export const announce = (text: string): void => hear({ text, number: ++number, shown: false });

const SECONDS = 6;

export function Said() {
  const [said, setSaid] = useState<Said | undefined>();
  useEffect(() => {
    hear = setSaid;
  }, []);
  useEffect(() => {
    if (!said) return undefined;
    const timer = setTimeout(() => setSaid(undefined), SECONDS * 1000);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <div role="status" class={said?.shown ? "said shown" : "said"}>
      {said && <span key={said.number}>{said.text}</span>}
    </div>
  );
}
