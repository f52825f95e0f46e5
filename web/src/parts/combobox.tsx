// A text field that suggests people, groups and units: the combobox pattern of the ARIA Authoring Practices (1.2).
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Recipient } from "../model";
import { explain } from "../failing";
import { announce } from "../said";
import { count, t } from "../words";
import { Words } from "./basics";

const FEWEST = 2;
const PAUSE_MS = 250;

interface Props {
  label: string;
  hint?: string | undefined;
  invalid?: string | undefined;
  /** Looked up anew whenever the text changes. */
  find(text: string, signal: AbortSignal): Promise<Recipient[]>;
  onChoose(found: Recipient): void;
  /** Backspace in the empty field. */
  onBack?: () => void;
  /** Tells what is of one kind only, and need not be told apart. */
  plain?: boolean;
}

export function Combobox({ label, hint, invalid, find, onChoose, onBack, plain }: Props) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState("");
  const [found, setFound] = useState<Recipient[] | undefined>();
  const [problem, setProblem] = useState("");
  const [active, setActive] = useState(-1);
  const open = found !== undefined;

  useEffect(() => {
    setProblem("");
    if (text.trim().length < FEWEST) {
      setFound(undefined);
      return undefined;
    }
    const abort = new AbortController();
    const timer = setTimeout(() => {
      find(text.trim(), abort.signal).then(
        (suggestions) => {
          if (abort.signal.aborted) return;
          setFound(suggestions);
          setActive(suggestions.length ? 0 : -1);
          announce(suggestions.length ? count("suggestions", suggestions.length) : t("noSuggestions"));
        },
        (error: unknown) => {
          if (!abort.signal.aborted) setProblem(explain(error));
        },
      );
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [text]);

  function choose(suggestion: Recipient) {
    onChoose(suggestion);
    setText("");
    setFound(undefined);
    input.current?.focus();
  }

  function press(event: KeyboardEvent) {
    const chosen = found?.[active];
    if (event.key === "ArrowDown" && found?.length) setActive((active + 1) % found.length);
    else if (event.key === "ArrowUp" && found?.length) setActive((active - 1 + found.length) % found.length);
    else if (event.key === "Enter" && open && chosen) choose(chosen);
    else if (event.key === "Escape" && open) setFound(undefined);
    else if (event.key === "Backspace" && text === "" && onBack) onBack();
    // No form is sent from here.
    else if (event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
  }

  const described = [invalid || problem ? `${id}-wrong` : "", hint ? `${id}-hint` : ""].filter(Boolean).join(" ");
  return (
    <div class="field combobox">
      <label for={id}>{label}</label>
      <input
        ref={input}
        id={id}
        type="text"
        role="combobox"
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
        aria-autocomplete="list"
        aria-expanded={open}
        aria-controls={`${id}-list`}
        aria-activedescendant={open && active >= 0 ? `${id}-${active}` : undefined}
        aria-describedby={described || undefined}
        aria-invalid={invalid ? true : undefined}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={press}
        onBlur={() => setFound(undefined)}
      />
      <ul id={`${id}-list`} role="listbox" aria-label={label} hidden={!open || !found.length}>
        {found?.map((suggestion, index) => (
          <li
            key={`${suggestion.kind}${suggestion.id}`}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === active}
            // Before the field loses its focus.
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => choose(suggestion)}
          >
            <Words>{suggestion.displayName}</Words>
            {!plain && <span class="kind">{t(suggestion.kind)}</span>}
          </li>
        ))}
      </ul>
      {open && !found.length && <p class="hint">{t("noSuggestions")}</p>}
      {(invalid || problem) && (
        <p class="wrong" id={`${id}-wrong`}>
          {invalid || problem}
        </p>
      )}
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

/** Chooses several: those that are chosen stand above the field, each with a button that takes it away. */
export function Several(props: Omit<Props, "onChoose" | "onBack"> & { chosen: Recipient[]; onChange(chosen: Recipient[]): void }) {
  const { chosen, onChange, ...rest } = props;
  const add = (one: Recipient) => {
    if (!chosen.some((each) => each.id === one.id)) onChange([...chosen, one]);
  };
  return (
    <div class="several">
      {chosen.length > 0 && (
        <ul class="chosen" aria-label={t("chosen")}>
          {chosen.map((each) => (
            <li key={each.id}>
              <Chip one={each} onRemove={() => onChange(chosen.filter((other) => other.id !== each.id))} />
            </li>
          ))}
        </ul>
      )}
      <Combobox {...rest} onChoose={add} onBack={() => onChange(chosen.slice(0, -1))} />
    </div>
  );
}

function Chip({ one, onRemove }: { one: Recipient; onRemove(): void }) {
  return (
    <span class="chip">
      <Words>{one.displayName}</Words>
      <button type="button" aria-label={t("remove", { name: one.displayName })} onClick={onRemove}>
        ×
      </button>
    </span>
  );
}
