// What the page says in passing: to be seen for a few seconds, and to be heard by screen readers.
import { useEffect, useState } from "preact/hooks";

interface Said {
  text: string;
  /** Tells the same text said twice apart. */
  number: number;
}

let show: (said: Said) => void = () => undefined;
let speak: (said: Said) => void = () => undefined;
let number = 0;

/** Says it, seen and heard. */
export const tell = (text: string): void => show({ text, number: ++number });

/** Says it to screen readers only: what eyes see anyhow. */
export const announce = (text: string): void => speak({ text, number: ++number });

const SECONDS = 5;
const MOST = 3;

/** Two places, so that neither takes the other's word away. */
export function Said() {
  return (
    <>
      <Spoken listen={(hear) => (show = hear)} look="said" />
      <Spoken listen={(hear) => (speak = hear)} look="unseen" />
    </>
  );
}

function Spoken({ listen, look }: { listen(hear: (said: Said) => void): void; look: string }) {
  const [all, setAll] = useState<Said[]>([]);
  useEffect(() => {
    listen((said) => {
      setAll((before) => [...before.slice(1 - MOST), said]);
      setTimeout(() => setAll((now) => now.filter((each) => each !== said)), SECONDS * 1000);
    });
  }, []);
  return (
    <div role="status" aria-atomic="false" class={look}>
      {all.map((said) => (
        <p key={said.number}>{said.text}</p>
      ))}
    </div>
  );
}
