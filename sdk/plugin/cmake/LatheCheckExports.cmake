# cmake -DNM=nm -DLIBRARY=file.so -P LatheCheckExports.cmake
# A plugin exports one symbol, lathe_plugin_query, and none that the loader would share between libraries (type 'u').
execute_process(COMMAND ${NM} -D --defined-only ${LIBRARY} OUTPUT_VARIABLE symbols RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${NM} cannot read ${LIBRARY}")
endif()
string(REGEX MATCHALL "[^\n]+" lines "${symbols}")
set(exported)
foreach(line ${lines})
  # A version script defines its own node as an absolute symbol; ours is anonymous, so there is none to leave out.
  string(REGEX REPLACE "^[0-9a-f]* *" "" line "${line}")
  list(APPEND exported "${line}")
endforeach()
if(NOT exported STREQUAL "T lathe_plugin_query")
  list(LENGTH exported count)
  list(SUBLIST exported 0 10 first)
  file(REMOVE ${LIBRARY})
  message(FATAL_ERROR "${LIBRARY} must export 'T lathe_plugin_query' and nothing else; it exports ${count} symbols: ${first}")
endif()
