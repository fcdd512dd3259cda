/**
 * Runs several works side by side until all have ended. The first that fails ends the others through the signal they are given, and is what is
 * thrown: the failures that follow are its echo.
 */
export async function runTogether(works: readonly ((signal: AbortSignal) => Promise<void>)[], outer: AbortSignal): Promise<void> {
  const broken = new AbortController();
  const signal = AbortSignal.any([outer, broken.signal]);
  let failure: { readonly error: unknown } | null = null;
  const note = (error: unknown): void => {
    failure ??= { error };
    broken.abort(error);
  };
  await Promise.all(works.map((work) => work(signal).catch(note)));
  if (failure !== null) throw (failure as { readonly error: unknown }).error;
}
