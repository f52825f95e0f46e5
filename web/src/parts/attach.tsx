// The files of a message that is being written: uploaded as they are chosen, each with its progress.
import type { TargetedEvent } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { newKey, upload, type Upload } from "../api";
import { explain } from "../failing";
import type { File as Attached } from "../model";
import { announce } from "../said";
import { size, t } from "../words";
import { Icon, Words } from "./basics";

interface Going {
  key: string;
  file: File;
  percent: number;
  problem: string;
  running: Upload<Attached> | undefined;
}

interface Props {
  attached: Attached[];
  /** Gets a function of what there is: several files may come in at once. */
  onChange(change: (attached: Attached[]) => Attached[]): void;
  /** How many are not there yet. */
  onGoing(going: number): void;
}

export function Attachments({ attached, onChange, onGoing }: Props) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [going, setGoing] = useState<Going[]>([]);
  const alive = useRef(true);
  useEffect(
    () => () => {
      alive.current = false;
    },
    [],
  );
  useEffect(() => onGoing(going.length), [going.length]);

  const change = (key: string, part: Partial<Going>) =>
    setGoing((all) => all.map((each) => (each.key === key ? { ...each, ...part } : each)));
  const drop = (key: string) => setGoing((all) => all.filter((each) => each.key !== key));

  function start(file: File, key: string) {
    const running = upload<Attached>("messageConversations/attachments", file, key, (part) =>
      change(key, { percent: Math.round(part * 100) }),
    );
    running.done.then(
      ({ id: uid, name, contentLength }) => {
        if (!alive.current) return;
        drop(key);
        onChange((all) => [...all, { id: uid, name, contentLength }]);
        announce(t("uploaded", { name }));
      },
      (error: unknown) => {
        if (alive.current) change(key, { problem: explain(error), running: undefined });
      },
    );
    return running;
  }

  function choose(event: TargetedEvent<HTMLInputElement>) {
    const files = [...(event.currentTarget.files ?? [])];
    event.currentTarget.value = "";
    setGoing((all) => [
      ...all,
      ...files.map((file) => {
        const key = newKey();
        return { key, file, percent: 0, problem: "", running: start(file, key) };
      }),
    ]);
  }

  function take(each: Going) {
    each.running?.stop();
    drop(each.key);
  }

  return (
    <div class="attach">
      {(attached.length > 0 || going.length > 0) && (
        <ul aria-label={t("attachments")}>
          {attached.map((file) => (
            <li key={file.id}>
              <Words>{file.name}</Words> <span class="hint">{size(file.contentLength)}</span>
              <button
                type="button"
                class="plain"
                aria-label={t("remove", { name: file.name })}
                onClick={() => onChange((all) => all.filter((other) => other.id !== file.id))}
              >
                <Icon name="close" />
              </button>
            </li>
          ))}
          {going.map((each) => (
            <li key={each.key}>
              <Words>{each.file.name}</Words>
              {each.problem ? (
                <span class="wrong" role="alert">
                  {t("uploadFailed", { name: each.file.name })} {each.problem}
                  <button type="button" onClick={() => change(each.key, { problem: "", percent: 0, running: start(each.file, each.key) })}>
                    {t("tryAgain")}
                  </button>
                </span>
              ) : (
                <progress max={100} value={each.percent} aria-label={t("uploading", { name: each.file.name, percent: each.percent })} />
              )}
              <button type="button" class="plain" aria-label={t("remove", { name: each.file.name })} onClick={() => take(each)}>
                <Icon name="close" />
              </button>
            </li>
          ))}
        </ul>
      )}
      <input ref={input} id={id} class="unseen" type="file" multiple tabIndex={-1} aria-hidden="true" onChange={choose} />
      <button type="button" class="quiet" onClick={() => input.current?.click()}>
        <Icon name="attach" />
        {t("attach")}
      </button>
    </div>
  );
}
