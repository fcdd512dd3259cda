import { type AstNode, children, isNode } from "./syntax.ts";

/** A shorter one is a pace, not a limit. */
const LIMIT_MILLIS = 5_000;

/**
 * Numbers that are a deadline as they stand: the `timeout` of any call but an assertion, that of an AbortSignal, an end by the clock
 * (`Date.now() + 5_000`), a limit to what has passed (`performance.now() - began < 5_000`), a long setTimeout. `deadlineMs` and `timeoutMs` of
 * test/support are none: who takes them passes them through `deadline`.
 */
export function findBareDeadlines(nodes: readonly AstNode[]): AstNode[] {
  const asserted = new Set(nodes.filter(isAssertion).flatMap((node) => [...children(node)]));
  return nodes.filter((node) => !asserted.has(node) && isBareDeadline(node));
}

function isBareDeadline(node: AstNode): boolean {
  switch (node.type) {
    case "ObjectExpression":
      // One with a kind is a hook of the configuration that a test makes.
      return isNumber(propertyOf(node, "timeout")) && propertyOf(node, "kind") === undefined;
    case "CallExpression": {
      const [first, second] = Array.isArray(node.arguments) ? (node.arguments as unknown[]) : [];
      if (isNode(node.callee) && node.callee.name === "setTimeout")
        return isNumber(second) && Number((second as AstNode).value) >= LIMIT_MILLIS;
      return isMember(node.callee, "AbortSignal", "timeout") && isNumber(first);
    }
    case "BinaryExpression":
      if (node.operator === "+") return isNow(node.left) && isNumber(node.right);
      return isUpperLimit(node.operator) && isElapsed(node.left) && isNumber(node.right);
    default:
      return false;
  }
}

function propertyOf({ properties }: AstNode, name: string): unknown {
  const property = (properties as readonly AstNode[]).find(({ key }) => isNode(key) && key.name === name);
  return property?.value;
}

function isUpperLimit(operator: unknown): boolean {
  return operator === "<" || operator === "<=";
}

/** `performance.now() - began`. */
function isElapsed(node: unknown): boolean {
  return isNode(node) && node.type === "BinaryExpression" && node.operator === "-" && isNow(node.left);
}

function isNow(node: unknown): boolean {
  return (
    isNode(node) && node.type === "CallExpression" && (isMember(node.callee, "Date", "now") || isMember(node.callee, "performance", "now"))
  );
}

/** What is expected is no deadline; a limit to what has passed is one wherever it stands. */
function isAssertion({ type, callee }: AstNode): boolean {
  return (
    type === "CallExpression" &&
    isNode(callee) &&
    isNode(callee.object) &&
    callee.object.name === "assert" &&
    !isMember(callee, "assert", "ok")
  );
}

function isMember(node: unknown, object: string, property: string): boolean {
  return isNode(node) && isNode(node.object) && node.object.name === object && isNode(node.property) && node.property.name === property;
}

function isNumber(node: unknown): boolean {
  return isNode(node) && node.type === "Literal" && typeof node.value === "number";
}
