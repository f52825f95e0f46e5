// Status, priority and assignee: to be set by those who work on tickets, to be read by all others.
import { useId, useState } from "preact/hooks";
import {
  assign,
  findPeople,
  PRIORITIES,
  setPriority,
  setStatus,
  STATUSES,
  unassign,
  type Conversation,
  type Me,
  type Person,
  type Priority,
} from "../model";
import { t, type Word } from "../words";
import { Words } from "./basics";
import { Combobox } from "./combobox";

interface Props {
  me: Me;
  thread: Conversation;
  act(part: Partial<Conversation>, done: string, action: () => Promise<unknown>): Promise<void>;
}

export function Ticket({ me, thread, act }: Props) {
  const [choosing, setChoosing] = useState(false);
  const { id, assignee, status, priority, messageType } = thread;
  if (messageType !== "TICKET" && messageType !== "VALIDATION_RESULT") return null;
  if (!me.manager) {
    return (
      <dl class="ticket">
        <dt>{t("status")}</dt>
        <dd>
          <span class={`mark ${status.toLowerCase()}`}>{t(status)}</span>
        </dd>
        <dt>{t("priority")}</dt>
        <dd>{t(named(priority))}</dd>
        {assignee && (
          <>
            <dt>{t("assignee")}</dt>
            <dd>
              <Words>{assignee.displayName}</Words>
            </dd>
          </>
        )}
      </dl>
    );
  }

  const give = ({ id: userId, displayName }: Person) => {
    setChoosing(false);
    return act({ assignee: { id: userId, displayName } }, t("assigned", { name: displayName }), () => assign(id, userId));
  };
  const path = messageType === "TICKET" ? "userLookup/feedbackRecipients" : "userLookup";
  return (
    <div class="ticket" role="group" aria-label={t(messageType)}>
      <Choice
        label="status"
        values={STATUSES}
        value={status}
        onChange={(value) => act({ status: value }, t("statusSet", { value: t(value) }), () => setStatus(id, value))}
      />
      <Choice
        label="priority"
        values={PRIORITIES}
        value={priority}
        name={named}
        onChange={(value) => act({ priority: value }, t("prioritySet", { value: t(named(value)) }), () => setPriority(id, value))}
      />
      <div class="assignee">
        <span>
          {t("labelled", { label: t("assignee"), value: "" })}
          <strong>{assignee ? <Words>{assignee.displayName}</Words> : t("nobody")}</strong>
        </span>
        {assignee?.id !== me.id && (
          <button type="button" class="link" onClick={() => void give(me)}>
            {t("assignMe")}
          </button>
        )}
        {assignee && (
          <button
            type="button"
            class="link"
            onClick={() => void act({ assignee: undefined }, t("unassigned"), () => unassign(id))}
          >
            {t("unassign")}
          </button>
        )}
        <button type="button" class="link" aria-expanded={choosing} onClick={() => setChoosing(!choosing)}>
          {t("assignOther")}
        </button>
        {choosing && <Combobox label={t("assignOther")} find={(text, signal) => findPeople(path, text, signal)} onChoose={(found) => void give(found)} plain />}
      </div>
    </div>
  );
}

/** No priority and no status are different words in some languages. */
const named = (priority: Priority): Word => (priority === "NONE" ? "noPriority" : priority);

function Choice<T extends Word>(props: { label: Word; values: readonly T[]; value: T; name?: (value: T) => Word; onChange(value: T): Promise<void> }) {
  const { label, values, value, name = (each) => each, onChange } = props;
  const id = useId();
  return (
    <div class="choice">
      <label for={id}>{t(label)}</label>
      <select
        id={id}
        value={value}
        onChange={(event) => {
          const chosen = values.find((each) => each === event.currentTarget.value);
          if (chosen && chosen !== value) void onChange(chosen);
        }}
      >
        {values.map((each) => (
          <option key={each} value={each}>
            {t(name(each))}
          </option>
        ))}
      </select>
    </div>
  );
}
