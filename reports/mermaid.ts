/**
 * A trace as a Mermaid sequence diagram: one participant for each actor, a note for each step with what it changed, and a box
 * around the steps that repeat for ever.
 */
import type { Change, Trace } from '../traces/trace.ts';

/** The text of the diagram; `end` is what the last note says, such as the property that is violated. */
export function mermaidOf({ instance, steps, loopFrom }: Trace, end: string): string {
  // A note needs a participant, also where nothing happens.
  const actors = steps.length === 0 ? [instance.model.name] : [...new Set(steps.map(({ actor }) => actor))];
  // Participants go by numbers, since an actor's name may be a word of Mermaid's own, such as `end`.
  const id = (actor: string): string => `actor${actors.indexOf(actor) + 1}`;
  const notes = steps.map(({ actor, title, changes }, i) => {
    const lines = changes.filter(({ isPlace }) => !isPlace).flatMap(changeLines);
    return `  Note over ${id(actor)}: ${[`${i + 1}. ${title}`, ...lines].map(escape).join('<br/>')}`;
  });
  const all = actors.length === 1 ? 'actor1' : `actor1,actor${actors.length}`;
  const loop = loopFrom === undefined ? [] : notes.slice(loopFrom);
  const rest = steps.length === 0 ? 'nothing ever happens' : 'and then nothing more happens';
  return [
    'sequenceDiagram',
    ...actors.map((actor) => `  participant ${id(actor)} as ${escape(actor)}`),
    ...notes.slice(0, loopFrom),
    ...(loop.length === 0 ? [] : ['  loop for ever', ...loop.map((note) => `  ${note}`), '  end']),
    ...(loopFrom === steps.length ? [`  Note over ${all}: ${rest}`] : []),
    `  Note over ${all}: ${escape(end)}`,
    '',
  ].join('\n');
}

/** A change on one line; of a queue or bag, an item that came or went on each. */
function changeLines({ field, before, after, removed, added }: Change): readonly string[] {
  if (removed.length + added.length === 0) return [`${field}: ${before} -> ${after}`];
  return [...removed.map((item) => `${field}: - ${item}`), ...added.map((item) => `${field}: + ${item}`)];
}

/** Characters that mean something to Mermaid or HTML, as Mermaid's entity codes; a code itself ends with `;`. */
function escape(text: string): string {
  return text.replaceAll(/[#;<&%\n]/g, (character) => (character === '\n' ? ' ' : `#${character.charCodeAt(0)};`));
}
