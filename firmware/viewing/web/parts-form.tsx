/**
 * Forms: every field has a label, a hint and its error beside it; the server's refusal goes to the field it names
 * (`body name: …`, `path user: …`), else above the buttons. While a form is being saved it cannot be sent twice; what is typed stays
 * until it is saved, and a page with unsaved changes asks before it is left.
 */
import { type Signal, useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useId } from 'preact/hooks';
import { ApiFailure } from './api-client.ts';

type Errors = Readonly<Record<string, string>>;

/** A form's state; made by `useForm`. */
export interface Form<T> {
  readonly values: T;
  readonly set: <K extends keyof T>(name: K, value: T[K]) => void;
  readonly errors: Errors;
  /** the error of no field in particular */
  readonly problem: string | undefined;
  readonly saving: boolean;
  readonly dirty: boolean;
  readonly submit: (event: Event) => void;
  /** Begins anew with other values. */
  readonly reset: (values: T) => void;
}

export interface FormOptions<T> {
  readonly initial: T;
  /** by what words a refusal of the server is known to be about a field, where it does not name one */
  readonly about?: Readonly<Record<string, RegExp>>;
  /** What is wrong with the values, by field; empty when nothing is. */
  readonly check?: (values: T) => Errors;
  /** Rejects with ApiFailure when the server refuses. */
  readonly save: (values: T) => Promise<void>;
}

/** See the top of this file. */
export function useForm<T extends object>({ initial, about = {}, check, save }: FormOptions<T>): Form<T> {
  const base = useSignal(initial);
  const values = useSignal(initial);
  const errors: Signal<Errors> = useSignal({});
  const problem = useSignal<string | undefined>(undefined);
  const saving = useSignal(false);
  const dirty = JSON.stringify(values.value) !== JSON.stringify(base.value);
  useEffect(() => {
    if (!dirty) return;
    const keep = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', keep);
    return () => removeEventListener('beforeunload', keep);
  }, [dirty]);
  const send = async (form: EventTarget | null) => {
    errors.value = check?.(values.value) ?? {};
    problem.value = undefined;
    if (Object.keys(errors.value).length > 0) return focusFirstError(form);
    saving.value = true;
    const sent = values.value;
    try {
      await save(sent);
      if (values.value === sent) base.value = sent;
    } catch (failed) {
      if (!(failed instanceof ApiFailure)) throw failed;
      const said = `${failed.message} ${failed.advice}`.trim();
      const [, named = '', text = ''] = /^(?:Body|Path) (\w+)[^:]*: (.*)$/s.exec(failed.message) ?? [];
      const known = Object.keys(about).find((field) => about[field]?.test(failed.message));
      if (named in sent) errors.value = { [named]: capital(text) };
      else if (known !== undefined) errors.value = { [known]: said };
      else problem.value = said;
      focusFirstError(form);
    } finally {
      saving.value = false;
    }
  };
  return {
    values: values.value,
    set: (name, value) => {
      values.value = { ...values.value, [name]: value };
      if (String(name) in errors.value) {
        const { [String(name)]: _, ...rest } = errors.value;
        errors.value = rest;
      }
    },
    errors: errors.value,
    problem: problem.value,
    saving: saving.value,
    dirty,
    submit: (event) => {
      event.preventDefault();
      if (!saving.value) void send(event.currentTarget);
    },
    reset: (next) => {
      base.value = next;
      values.value = next;
      errors.value = {};
      problem.value = undefined;
    },
  };
}

function focusFirstError(form: EventTarget | null): void {
  // after the errors are on the page
  requestAnimationFrame(() => {
    if (form instanceof HTMLElement) form.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  });
}

export interface FieldProps {
  readonly label: string;
  readonly hint?: string;
  readonly error?: string | undefined;
  /** Draws the control with these attributes. */
  readonly children: (control: {
    id: string;
    'aria-describedby'?: string;
    'aria-invalid'?: 'true';
  }) => ComponentChildren;
}

/** A label, a control, and what is to be said about it. */
export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId();
  const said = error ?? hint;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({
        id,
        ...(said === undefined ? {} : { 'aria-describedby': `${id}-said` }),
        ...(error === undefined ? {} : { 'aria-invalid': 'true' }),
      })}
      {said !== undefined && (
        <p id={`${id}-said`} class={error === undefined ? 'field-hint' : 'field-error'}>
          {said}
        </p>
      )}
    </div>
  );
}

export interface TextFieldProps<T> {
  readonly form: Form<T>;
  readonly name: keyof T & string;
  readonly label: string;
  readonly hint?: string;
  /** further attributes of the input */
  readonly input?: Record<string, string | number | boolean>;
}

/** A field of one line of text. */
export function TextField<T extends object>({ form, name, label, hint, input }: TextFieldProps<T>) {
  return (
    <Field label={label} error={form.errors[name]} {...(hint === undefined ? {} : { hint })}>
      {(control) => (
        <input
          {...control}
          name={name}
          autocomplete="off"
          {...input}
          value={String(form.values[name])}
          onInput={(event) => form.set(name, event.currentTarget.value as T[keyof T & string])}
        />
      )}
    </Field>
  );
}

export interface SelectFieldProps<T> extends Omit<TextFieldProps<T>, 'input'> {
  /** values and what they are called */
  readonly options: readonly (readonly [value: string, text: string])[];
}

/** A field of one choice among a few. */
export function SelectField<T extends object>({ form, name, label, hint, options }: SelectFieldProps<T>) {
  return (
    <Field label={label} error={form.errors[name]} {...(hint === undefined ? {} : { hint })}>
      {(control) => (
        <select
          {...control}
          name={name}
          value={String(form.values[name])}
          onChange={(event) => form.set(name, event.currentTarget.value as T[keyof T & string])}
        >
          {options.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

export interface FormActionsProps {
  readonly form: Pick<Form<object>, 'problem' | 'saving'>;
  /** on the button that saves */
  readonly action: string;
  readonly onCancel?: () => void;
  readonly disabled?: boolean;
  /** further buttons, on the left */
  readonly children?: ComponentChildren;
}

/** The foot of a form: what went wrong, and its buttons. */
export function FormActions({ form, action, onCancel, disabled = false, children }: FormActionsProps) {
  return (
    <>
      <div role="alert">{form.problem !== undefined && <p class="form-problem">{form.problem}</p>}</div>
      <div class="dialog-actions">
        {children}
        {onCancel !== undefined && (
          <button type="button" onClick={onCancel}>
            Cancel
          </button>
        )}
        <button type="submit" class="primary" disabled={disabled || form.saving} aria-busy={form.saving}>
          {form.saving ? 'Saving …' : action}
        </button>
      </div>
    </>
  );
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
