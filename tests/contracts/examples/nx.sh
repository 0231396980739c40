# issueToken 200 TOKEN=access_token REFRESH=refresh_token
curl -X POST "$API/cdb/oauth2/token" \
  -d grant_type=password -d "client_id=$NX_CLIENT" \
  --data-urlencode "username=$NX_USERNAME" --data-urlencode "password=$NX_PASSWORD"

# issueToken 200 TOKEN=access_token
curl -X POST "$API/cdb/oauth2/token" \
  -d grant_type=refresh_token -d "client_id=$NX_CLIENT" -d "refresh_token=$REFRESH"

# cptOpenapiJson 200
curl "$API/cpt/openapi.json"

# cptOpenapiHtml 200
curl "$API/cpt/openapi.html"

# devOpenapiJson 200
curl "$API/dev/openapi.json"

# devOpenapiHtml 200
curl "$API/dev/openapi.html"

# createFunction 200 MODEL_ID=UUID
curl -X POST "$API/cpt/functions" \
  -H "Authorization: Bearer $TOKEN" \
  -F "file=@$MODEL" -F "name=Boxes" -F "documentation=Two boxes in a picture"

# getFunction 200 until Status=ok
curl "$API/cpt/function/$MODEL_ID" -H "Authorization: Bearer $TOKEN"

# listFunctions 200
curl "$API/cpt/functions?limit=10&offset=0" \
  -H "Authorization: Bearer $TOKEN" \
  -H "X-Act-As-Kind: organization" -H "X-Act-As-ID: $ORGANISATION"

# listSystems 200 SITE=0.NxID
curl "$API/dev/systems" -H "Authorization: Bearer $TOKEN"

# listSystemDevices 200 DEVICE=0.NxID
curl --globoff "$API/dev/system/$SITE/devices" -H "Authorization: Bearer $TOKEN"

# assignDeviceFunction 200
curl --globoff -X POST "$API/dev/system/$SITE/device/$DEVICE/functions" \
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \
  -d "{\"FunctionID\": \"$MODEL_ID\"}"
