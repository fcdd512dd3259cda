import { describeVerifyUnderWrites } from "./verify-under-writes.ts";

describeVerifyUnderWrites({ quiet: 4, killed: 2, rate: 200 });
