// validate - holds an OpenAPI document against the schema of its version; prints what is wrong and ends with 1.
//
//   node validate.mjs FILE      beside a node_modules that package-lock.json describes
import { Validator } from "@seriousme/openapi-schema-validator";

const validator = new Validator();
const result = await validator.validate(process.argv[2]);
if (!result.valid)
  console.error(JSON.stringify(result.errors, null, 2));
console.log(`${process.argv[2]}: OpenAPI ${validator.version}, ${result.valid ? "valid" : "not valid"}`);
process.exit(result.valid ? 0 : 1);
