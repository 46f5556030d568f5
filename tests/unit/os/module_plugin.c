/* A module for module.c. */
extern const int plugin_answer;
__attribute__((visibility("default"))) const int plugin_answer = 42;
