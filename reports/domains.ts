/**
 * The domains of a state or of parameters, in words.
 */
import { domainBrand, type Domain, type DomainKind, type Shape, toDomain } from '../language/domain.ts';

/** A field of the state, such as `page[page].pte`, and the values that it can have. */
export interface FieldDomain {
  readonly field: string;
  readonly values: string;
}

/** The fields of a shape, one for all members of a sort. */
export function fieldsOf(shape: Domain | Shape, path = ''): readonly FieldDomain[] {
  const domain = toDomain(shape);
  const kind = domain[domainBrand];
  if (kind.kind === 'each') return fieldsOf(kind.of, `${path}[${kind.sort.name}]`);
  if (kind.kind === 'record') {
    const name = (field: string): string => (path === '' ? field : `${path}.${field}`);
    return Object.entries(kind.fields).flatMap(([field, of]) => fieldsOf(of, name(field)));
  }
  return [{ field: path, values: describeKind(kind) }];
}

/** The values of a domain in words. */
export function describeDomain(shape: Domain | Shape): string {
  return describeKind(toDomain(shape)[domainBrand]);
}

function describeKind(kind: DomainKind): string {
  switch (kind.kind) {
    case 'bool':
      return 'true | false';
    case 'range':
      return `${kind.low}..${kind.high}`;
    case 'oneOf':
      return kind.values.map((value) => `'${value}'`).join(' | ');
    case 'sort':
      return `${memberOf(kind.name)}${kind.ordered ? ', in order' : ''}`;
    case 'optional':
      return `none | ${describeDomain(kind.of)}`;
    case 'setOf':
      return `set of ${kind.sort.name}s`;
    case 'queue':
    case 'bag':
      return `${kind.kind} of at most ${kind.capacity}: ${describeDomain(kind.of)}`;
    case 'record': {
      const fields = Object.entries(kind.fields).map(([name, of]) => `${name}: ${describeDomain(of)}`);
      return `{ ${fields.join(', ')} }`;
    }
    case 'each':
      return `for each ${kind.sort.name}: ${describeDomain(kind.of)}`;
    default:
      return kind satisfies never;
  }
}

/** Any member of a sort: `a page`, `an endpoint`. */
export function memberOf(sort: string): string {
  return `${/^[aeiou]/i.test(sort) ? 'an' : 'a'} ${sort}`;
}
