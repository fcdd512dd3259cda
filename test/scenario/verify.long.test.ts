import { describeVerifyUnderWrites } from "./verify-under-writes.ts";

describeVerifyUnderWrites({ quiet: 12, killed: 8, rate: null });
