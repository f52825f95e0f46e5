import { useState } from "preact/hooks";
import { keysOn, setKeysOn, type Key } from "../keys";
import { t, type Word } from "../words";
import { Dialog } from "./basics";

const LISTED: [Word, (Key | "Enter" | "Ctrl + Enter")[]][] = [
  ["keyNext", ["j", "k"]],
  ["keyOpen", ["Enter"]],
  ["keyReply", ["r"]],
  ["keyFollow", ["f"]],
  ["keyUnread", ["u"]],
  ["keyBack", ["Escape"]],
  ["keySearch", ["/"]],
  ["keyWrite", ["c"]],
  ["keySend", ["Ctrl + Enter"]],
  ["keyHelp", ["?"]],
];

export function Help({ onClose }: { onClose(): void }) {
  const [on, setOn] = useState(keysOn());
  return (
    <Dialog title={t("keys")} onClose={onClose}>
      <dl class="keys">
        {LISTED.map(([word, keys]) => (
          <div key={word}>
            <dt>{t(word)}</dt>
            <dd>
              {keys.map((key) => (
                <kbd key={key}>{key === "Escape" ? "Esc" : key}</kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
      <label class="tick">
        <input
          type="checkbox"
          checked={on}
          onChange={(event) => {
            setKeysOn(event.currentTarget.checked);
            setOn(event.currentTarget.checked);
          }}
        />
        {t("keysOn")}
      </label>
      <p class="hint">{t("keysOnHint")}</p>
      <div class="send">
        <button type="button" class="main" onClick={onClose}>
          {t("close")}
        </button>
      </div>
    </Dialog>
  );
}
