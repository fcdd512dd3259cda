import { describeVerifyUnderWrites } from "./verify-under-writes.ts";

describeVerifyUnderWrites({ quiet: 4, killed: 3, rate: 200 });
